"""Whether code in an answer parses: Python by its own parser, others with the extra ``code``.

Only blocks that name their language are looked at; of languages that nothing here can parse, and of
fragments that are marked as such (an ellipsis on a line of its own), nothing is said.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.grammars import GRAMMARS
from tokenthrift.compress.syntax import parse
from tokenthrift.errors import MissingExtraError

if TYPE_CHECKING:
    from tokenthrift.route import Answer
    from tokenthrift.types import Request

BLOCK: Final = re.compile(
    r"^(`{3,}|~{3,})[ \t]*(\w[\w+#.-]*)[^\n]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL
)
NAMES: Final = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
    "c++": "cpp",
    "c#": "c_sharp",
    "csharp": "c_sharp",
    "golang": "go",
    "rb": "ruby",
    "rs": "rust",
}
LEFT_OUT: Final = re.compile(r"^\s*(?:#|//)?\s*(?:\.\.\.|…)", re.MULTILINE)
LONGEST: Final = 200_000  # characters


def code(answer: Answer, _request: Request, /) -> str:
    """Every block of code that names its language parses."""
    for n, (_, word, text) in enumerate(BLOCK.findall(answer.text)):
        name = NAMES.get(word.lower(), word.lower())
        if len(text) > LONGEST or LEFT_OUT.search(text):
            continue
        if not _parses(name, textwrap.dedent(text)):
            return f"block {n} is no valid {name}"
    return ""


def _parses(name: str, text: str) -> bool:
    if name == "python":
        return _is_python(text)
    if name not in GRAMMARS:
        return True
    try:
        root = parse(text.encode("utf-8", "surrogatepass"), name)
    except MissingExtraError:
        return True
    return root is None or not root.has_error


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the answer's code, and nobody's business here
            ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True
    return True
