"""Which programming language a text may be in, told from how its lines begin.

Cheap and coarse: the parser has the last word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_CHARACTERS: Final = 4_000
CANDIDATES: Final = 2
FEWEST_MARKS: Final = 3  # strong ones, or twice as many weak ones beside one
MARKED_SHARE: Final = 0.04  # of the lines of a text that nothing says is code
STRONG: Final = 2  # what a strong mark counts more than a weak one
MOST_OF_ONE: Final = 6  # times that one mark counts
# Characters between two marks of a language; beyond that it is data or text. It also keeps parsers
# from long stretches of what they cannot make sense of.
WIDEST_GAP: Final = 16_000

_FENCE = re.compile(r"(?:`{3,}|~{3,})[ \t]*([\w+#.-]+)[^\n]*\n+\Z")
_PATH = re.compile(r"[\w/\\.-]*\w\.([A-Za-z+]{1,4})\b")

# Names in fences and endings of files.
NAMED: Final[dict[str, str]] = {
    **dict.fromkeys(("python", "python3", "py", "pyi"), "python"),
    **dict.fromkeys(("javascript", "js", "jsx", "mjs", "cjs", "node"), "javascript"),
    **dict.fromkeys(("typescript", "ts", "tsx", "mts", "cts"), "typescript"),
    "java": "java",
    **dict.fromkeys(("go", "golang"), "go"),
    **dict.fromkeys(("rust", "rs"), "rust"),
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("cpp", "c++", "cc", "cxx", "hpp", "hh", "cu", "cuh"), "cpp"),
    **dict.fromkeys(("csharp", "cs", "c#"), "c_sharp"),
    **dict.fromkeys(("ruby", "rb"), "ruby"),
    **dict.fromkeys(("php", "phtml"), "php"),
}


def _marks(of: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Marks by language, from words where ``^`` and ``¶`` are a line's beginning and end."""
    lines = {name: words.replace("^", "\n").replace("¶", "\n") for name, words in of.items()}
    return {name: tuple(w for w in words.split("|") if w) for name, words in lines.items()}


# What few other languages have, and what several share; lines are without their indentation. Plain
# substrings: ten times faster than patterns.
_STRONG: Final = _marks(
    {
        "python": "^def |^async def |^from |^import |^elif |^except |^self.|^@property|^raise |"
        '^if __name__|"""|^with |):¶| is not None|^try:¶|^else:¶|^class |(self, |(self)',
        "javascript": "^function |^export |^const |require('|require(\"|module.exports| === | !== |"
        "=> {¶|^});¶|^})¶|'use strict'|^import {|^let |^var |() => ",
        "typescript": "^interface |^export interface |^export type |^type |: string|: number|"
        ": boolean|: void|: any|Promise<|^private |^public |^readonly |^import type |"
        "^declare |: unknown| as const|Array<",
        "java": "^package |^import java|^import static |^import org.|^import com.|@Override¶|"
        "@Test¶|^public class |^public final |^private final |^public static |"
        "^public void |^private |^protected | = new |System.out.|) throws |^final |"
        "^public ",
        "go": "^package |^func | := |if err != nil|^type |^defer |^go func|, err |nil {¶|"
        "^import (¶|return nil| interface {¶| struct {¶|:= range ",
        "rust": "^fn |^pub fn |^let |^let mut |^use |^impl|^pub struct |^pub enum |^#[|^match |"
        "&self|&mut |) -> |=> {¶|^mod |^pub(crate)|::new(|.unwrap()|^async fn |<'_>",
        "c": "^#include |^#define |^#ifdef |^#ifndef |^static |^struct |^typedef |->|NULL|"
        "sizeof(|^int |^void |^char |size_t |^unsigned |uint8_t|uint32_t|^const char",
        "cpp": "std::|^template |^class |^namespace |^public:¶|^private:¶|^using |^virtual |"
        "static_cast<|nullptr|const auto&|^explicit |const std|^auto | override|"
        "constexpr | noexcept|::",
        "c_sharp": "^using System|^using |^namespace |{ get;|^public class |^public static |"
        "^private readonly |^internal |^protected override |^public override |^var |"
        "^foreach (|^#region|^#endregion|string.|^public async |/// <summary>|[Test]|"
        "^public ",
        "ruby": "^def |^end¶|^require '|^require \"|^module |^class | do¶| do |^attr_|^elsif |"
        "^unless |^@|^puts |.each |^rescue |^describe |^it '|^it \"|^include ",
        "php": "<?php|$this->|^$|^public function |^private function |^protected function |"
        "^function |^use |^namespace |^return $|($|@param ",
    }
)
_WEAK: Final = _marks(
    {
        "python": "^return |^if |^for |^pass¶| in | = ",
        "javascript": "^return |;¶|^this.|) {¶|^if (|^} else|^case ",
        "typescript": "",
        "java": ";¶|{¶|^return |^if (|^for (|^} else",
        "go": "{¶|^return |^if |^for |^} else|()¶|)¶",
        "rust": ";¶|{¶|^if |^for |!(|,¶",
        "c": ";¶|^return |^if (|{¶|^}¶|^for (|*",
        "cpp": "",
        "c_sharp": ";¶|^{¶|^}¶|^return |^if (",
        "ruby": "^if |^return |^else¶| => |@",
        "php": ";¶|^return |^if (|{¶|^}¶",
    }
)
# What one language is made of is part of the other.
_WITHIN: Final = {"typescript": "javascript", "cpp": "c"}


def candidates(source: str, before: str = "", *, surely: bool = False) -> tuple[str, ...]:
    """The grammars that a text may be parsed with, the likeliest first.

    Args:
        source: the text.
        before: what stands directly before it; a fence or a path there names the language.
        surely: whether the text is known to be code.

    Returns:
        Nothing where it has the marks of no language.
    """
    hint = "php" if source.lstrip().startswith("<?php") else _hint(before)
    sample = _bare(source[:SAMPLE_CHARACTERS])
    strong = {name: _count(sample, _STRONG[name]) for name in ([hint] if hint else _STRONG)}
    if hint and strong[hint] and _is_throughout(source, hint):
        return _grammars(hint, source)
    strong |= {name: _count(sample, marks) for name, marks in _STRONG.items() if name not in strong}
    strong["php"] *= "$" in sample
    scores = {name: STRONG * strong[name] + _count(sample, _WEAK[name]) for name in _STRONG}
    for name, inner in _WITHIN.items():
        scores[name] += scores[inner] if strong[name] >= FEWEST_MARKS else 0
    needed = FEWEST_MARKS if surely else max(FEWEST_MARKS, MARKED_SHARE * sample.count("\n"))
    ranked = sorted(scores, key=lambda name: -scores[name])
    likely = [name for name in ranked if strong[name] and scores[name] >= STRONG * needed]
    out = likely[:CANDIDATES] if surely or any(strong[n] >= needed for n in likely) else []
    out = [name for name in out if _is_throughout(source, name)]
    return tuple(dict.fromkeys(grammar for name in out for grammar in _grammars(name, source)))


def _bare(text: str) -> str:
    """Lines without their indentation, none of them blank."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(["", *(line for line in lines if line), ""])


def _count(text: str, marks: Sequence[str]) -> int:
    return sum(min(MOST_OF_ONE, text.count(mark)) for mark in marks)


def _hint(before: str) -> str:
    fence = _FENCE.search(before)
    if fence:
        return NAMED.get(fence[1].lower(), "")
    paths = _PATH.findall(before)
    return NAMED.get(paths[-1].lower(), "") if paths else ""


def _grammars(language: str, source: str) -> tuple[str, ...]:
    """The grammars that a text of a language may need."""
    if language == "typescript":
        marked = "</" in source or "/>" in source
        return ("tsx", "typescript") if marked else ("typescript", "tsx")
    if language == "php" and "<?" not in source:
        return ("php_bare",)
    return (language, "typescript") if language == "javascript" else (language,)


def _is_throughout(source: str, language: str) -> bool:
    """Whether the marks of a language go on to the end of a text."""
    for at in range(SAMPLE_CHARACTERS, len(source) - WIDEST_GAP // 2, WIDEST_GAP):
        part = _bare(source[at : at + WIDEST_GAP])
        if not any(mark in part for mark in _STRONG[language]):
            return False
    return True
