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
MARKED_SHARE: Final = 0.1  # of the lines of a text that nothing says is code
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

# What few other languages have, and what several share; lines are without their indentation. Plain
# substrings: ten times faster than patterns.
_STRONG: Final = {
    "python": (
        "\ndef ",
        "\nasync def ",
        "\nfrom ",
        "\nimport ",
        "\nelif ",
        "\nexcept ",
        "\nself.",
        "\n@property",
        "\nraise ",
        "\nif __name__",
        '"""',
        "\nwith ",
        "):\n",
        " is not None",
        "\ntry:\n",
        "\nelse:\n",
        "\nclass ",
        "(self, ",
        "(self)",
    ),
    "javascript": (
        "\nfunction ",
        "\nexport ",
        "\nconst ",
        "require('",
        'require("',
        "module.exports",
        " === ",
        " !== ",
        "=> {\n",
        "\n});\n",
        "\n})\n",
        "'use strict'",
        "\nimport {",
        "\nlet ",
        "\nvar ",
        "() => ",
    ),
    "typescript": (
        "\ninterface ",
        "\nexport interface ",
        "\nexport type ",
        "\ntype ",
        ": string",
        ": number",
        ": boolean",
        ": void",
        ": any",
        "Promise<",
        "\nprivate ",
        "\npublic ",
        "\nreadonly ",
        "\nimport type ",
        "\ndeclare ",
        ": unknown",
        " as const",
        "Array<",
    ),
    "java": (
        "\npackage ",
        "\nimport java",
        "\nimport static ",
        "\nimport org.",
        "\nimport com.",
        "@Override\n",
        "@Test\n",
        "\npublic class ",
        "\npublic final ",
        "\nprivate final ",
        "\npublic static ",
        "\npublic void ",
        "\nprivate ",
        "\nprotected ",
        " = new ",
        "System.out.",
        ") throws ",
        "\nfinal ",
        "\npublic ",
    ),
    "go": (
        "\npackage ",
        "\nfunc ",
        " := ",
        "if err != nil",
        "\ntype ",
        "\ndefer ",
        "\ngo func",
        ", err ",
        "nil {\n",
        "\nimport (\n",
        "return nil",
        " interface {\n",
        " struct {\n",
        ":= range ",
    ),
    "rust": (
        "\nfn ",
        "\npub fn ",
        "\nlet ",
        "\nlet mut ",
        "\nuse ",
        "\nimpl",
        "\npub struct ",
        "\npub enum ",
        "\n#[",
        "\nmatch ",
        "&self",
        "&mut ",
        ") -> ",
        "=> {\n",
        "\nmod ",
        "\npub(crate)",
        "::new(",
        ".unwrap()",
        "\nasync fn ",
        "<'_>",
    ),
    "c": (
        "\n#include ",
        "\n#define ",
        "\n#ifdef ",
        "\n#ifndef ",
        "\nstatic ",
        "\nstruct ",
        "\ntypedef ",
        "->",
        "NULL",
        "sizeof(",
        "\nint ",
        "\nvoid ",
        "\nchar ",
        "size_t ",
        "\nunsigned ",
        "uint8_t",
        "uint32_t",
        "\nconst char",
    ),
    "cpp": (
        "std::",
        "\ntemplate ",
        "\nclass ",
        "\nnamespace ",
        "\npublic:\n",
        "\nprivate:\n",
        "\nusing ",
        "\nvirtual ",
        "static_cast<",
        "nullptr",
        "const auto&",
        "\nexplicit ",
        "const std",
        "\nauto ",
        " override",
        "constexpr ",
        " noexcept",
        "::",
    ),
    "c_sharp": (
        "\nusing System",
        "\nusing ",
        "\nnamespace ",
        "{ get;",
        "\npublic class ",
        "\npublic static ",
        "\nprivate readonly ",
        "\ninternal ",
        "\nprotected override ",
        "\npublic override ",
        "\nvar ",
        "\nforeach (",
        "\n#region",
        "\n#endregion",
        "string.",
        "\npublic async ",
        "/// <summary>",
        "[Test]",
        "\npublic ",
    ),
    "ruby": (
        "\ndef ",
        "\nend\n",
        "\nrequire '",
        '\nrequire "',
        "\nmodule ",
        "\nclass ",
        " do\n",
        " do |",
        "\nattr_",
        "\nelsif ",
        "\nunless ",
        "\n@",
        "\nputs ",
        ".each ",
        "\nrescue ",
        "\ndescribe ",
        "\nit '",
        '\nit "',
        "\ninclude ",
    ),
    "php": (
        "<?php",
        "$this->",
        "\n$",
        "\npublic function ",
        "\nprivate function ",
        "\nprotected function ",
        "\nfunction ",
        "\nuse ",
        "\nnamespace ",
        "\nreturn $",
        "($",
        "@param ",
    ),
}
_WEAK: Final = {
    "python": (
        "\nreturn ",
        "\nif ",
        "\nfor ",
        "\npass\n",
        " in ",
        " = ",
    ),
    "javascript": (
        "\nreturn ",
        ";\n",
        "\nthis.",
        ") {\n",
        "\nif (",
        "\n} else",
        "\ncase ",
    ),
    "typescript": (),
    "java": (
        ";\n",
        "{\n",
        "\nreturn ",
        "\nif (",
        "\nfor (",
        "\n} else",
    ),
    "go": (
        "{\n",
        "\nreturn ",
        "\nif ",
        "\nfor ",
        "\n} else",
        "()\n",
        ")\n",
    ),
    "rust": (
        ";\n",
        "{\n",
        "\nif ",
        "\nfor ",
        "!(",
        ",\n",
    ),
    "c": (
        ";\n",
        "\nreturn ",
        "\nif (",
        "{\n",
        "\n}\n",
        "\nfor (",
        "*",
    ),
    "cpp": (),
    "c_sharp": (
        ";\n",
        "\n{\n",
        "\n}\n",
        "\nreturn ",
        "\nif (",
    ),
    "ruby": (
        "\nif ",
        "\nreturn ",
        "\nelse\n",
        " => ",
        "@",
    ),
    "php": (
        ";\n",
        "\nreturn ",
        "\nif (",
        "{\n",
        "\n}\n",
    ),
}
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
    scores = {name: STRONG * strong[name] + _count(sample, _WEAK[name]) for name in _STRONG}
    for name, inner in _WITHIN.items():
        scores[name] += scores[inner] if strong[name] else 0
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
    return (language, "typescript") if language == "javascript" else (language,)


def _is_throughout(source: str, language: str) -> bool:
    """Whether the marks of a language go on to the end of a text."""
    for at in range(SAMPLE_CHARACTERS, len(source) - WIDEST_GAP // 2, WIDEST_GAP):
        part = _bare(source[at : at + WIDEST_GAP])
        if not any(mark in part for mark in _STRONG[language]):
            return False
    return True
