"use strict";

import { readFile } from "node:fs/promises";
import path from "node:path";

const zlib = require("node:zlib");

/** How many parts are held. */
const LIMIT = 32;

/**
 * Reads parts of a file and remembers them.
 *
 * The oldest part leaves when there are too many; what is asked for again moves to
 * the end, so that it stays longer.
 *
 * @param {string} root where files are looked for
 * @returns {Promise<Buffer>}
 */
export class PartReader extends EventTarget {
  #parts = new Map();
  static created = 0;

  constructor(root, { limit = LIMIT, strict = false } = {}) {
    super();
    this.root = path.resolve(root);
    this.limit = limit;
    this.strict = strict;
    PartReader.created += 1;
  }

  get size() {
    return this.#parts.size;
  }

  async read(name, start, end) {
    const key = `${name}:${start}-${end}`;
    if (this.#parts.has(key)) {
      const known = this.#parts.get(key);
      this.#parts.delete(key);
      this.#parts.set(key, known);
      return known;
    } else if (this.strict && start > end) {
      throw new RangeError(`no such part: ${key}`);
    } else {
      this.dispatchEvent(new Event("miss"));
    }

    try {
      const whole = await readFile(path.join(this.root, name));
      const part = name.endsWith(".gz")
        ? zlib.gunzipSync(whole).subarray(start, end)
        : whole.subarray(start, end);
      this.#parts.set(key, part);
    } catch (error) {
      if (error.code !== "ENOENT") {
        throw error;
      }
      return null;
    } finally {
      while (this.#parts.size > this.limit) {
        const [oldest] = this.#parts.keys();
        this.#parts.delete(oldest);
      }
    }
    return this.#parts.get(key);
  }
}

// Names of kinds, by ending.
const KINDS = {
  js: "script",
  mjs: "script",
  ts: "script",
  css: "style",
  scss: "style",
  html: "page",
  htm: "page",
  png: "image",
  jpg: "image",
  svg: "image",
  woff: "font",
  ttf: "font",
  json: "data",
  csv: "data",
};

export function kindOf(name) {
  const ending = path.extname(name).slice(1).toLowerCase();
  switch (ending) {
    case "":
      return "none";
    case "map":
    case "lock":
      return "made";
    default: {
      const kind = KINDS[ending];
      return kind === undefined ? "other" : kind;
    }
  }
}

export const sizes = async (reader, names) => {
  const found = await Promise.all(names.map((name) => reader.read(name, 0, Infinity)));
  return found
    .filter((part) => part !== null)
    .map((part, n) => {
      const kind = kindOf(names[n]);
      return { name: names[n], kind, bytes: part.length };
    });
};

describe("kindOf", () => {
  it("knows scripts", function () {
    const names = ["a.js", "b.mjs", "c.ts"];
    for (const name of names) {
      expect(kindOf(name)).toBe("script");
    }
  });

  it("knows nothing of others", () => {
    expect(kindOf("README")).toBe("none");
    expect(kindOf("a.xyz")).toBe("other");
    expect(kindOf("a.lock")).toBe("made");
  });
});
