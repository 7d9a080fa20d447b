//! Reads parts of files and remembers them.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};

mod kinds;

/// How many parts are held.
const LIMIT: usize = 32;

/// What went wrong.
#[derive(Debug, Clone)]
pub enum Error {
    NoName,
    NoPart { name: String, start: usize },
    Io(String),
}

#[derive(Default)]
pub struct Reader {
    root: String,
    parts: HashMap<String, Vec<u8>>,
    order: Vec<String>,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error.to_string())
    }
}

impl Reader {
    pub fn new(root: &str) -> Self {
        Self {
            root: root.to_owned(),
            ..Default::default()
        }
    }

    /// A part of a file.
    ///
    /// The oldest part leaves when there are too many of them. What is asked
    /// for again stays longer.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn read(&mut self, name: &str, start: usize, end: usize) -> Result<&[u8], Error> {
        let key = format!("{name}:{start}-{end}");
        if self.parts.contains_key(&key) {
            self.order.retain(|known| known != &key);
            self.order.push(key.clone());
        } else if name.is_empty() {
            return Err(Error::NoName);
        } else {
            let mut whole = Vec::new();
            fs::File::open(format!("{}/{}", self.root, name))?.read_to_end(&mut whole)?;
            let part = whole.get(start..end).ok_or_else(|| Error::NoPart {
                name: name.to_owned(),
                start,
            })?;
            self.parts.insert(key.clone(), part.to_vec());
        }
        while self.order.len() > LIMIT {
            let oldest = self.order.remove(0);
            self.parts.remove(&oldest);
        }
        Ok(&self.parts[&key])
    }
}

pub trait Named {
    fn name(&self) -> String;

    fn shown(&self) -> String {
        let name = self.name();
        let bare = name.trim();
        format!("<{bare}>")
    }
}

pub fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        None => "none",
        Some("js" | "mjs" | "ts") => "script",
        Some(ending) if ending.len() > 8 => {
            eprintln!("odd: {ending}");
            "other"
        }
        Some(_) => "other",
    }
}

macro_rules! kinds {
    ($($ending:literal => $kind:literal),*) => {
        &[$(($ending, $kind)),*]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_known() {
        for name in ["a.js", "b.mjs", "c.ts"] {
            assert_eq!(kind_of(name), "script");
        }
        let pairs: &[(&str, &str)] = kinds!("js" => "script", "css" => "style");
        assert_eq!(pairs.len(), 2);
    }
}
