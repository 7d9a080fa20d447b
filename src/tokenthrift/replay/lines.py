"""Files of recordings as raw lines: JSON Lines or one JSON value, gzipped or not.

Nothing is parsed that need not be. A line that cannot be had (too long, a file that is cut
short) is given with its problem, so that it can be counted; the rest goes on.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from tokenthrift.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# A request of a million tokens is some 5 MB, base64 images some 20 MB each; beyond this a "line" is
# a file of another kind, and reading it whole could exhaust the memory.
MAX_LINE_BYTES: Final = 256 * 2**20
GZIP_MAGIC: Final = b"\x1f\x8b"
BOM: Final = b"\xef\xbb\xbf"
SKIPPED_AT_ONCE: Final = 2**20


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line of a file, or one item of a JSON list.

    Attributes:
        source: the file, as it was given.
        number: of the line or item, from 1.
        position: how far into the file (in stored bytes) reading it has come.
        problem: why there is no data, or an empty string.
    """

    source: str
    number: int
    data: bytes
    position: int = 0
    problem: str = ""

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.source}:{self.number}"


def check_readable(paths: Sequence[Path]) -> None:
    """Refuse files that are not there before anything is started.

    Raises:
        ReplayError: no file is given, one is given twice, or one cannot be opened; says which.
    """
    if not paths:
        raise ReplayError("no recording was given; name at least one .jsonl or .jsonl.gz file")
    for n, path in enumerate(paths):
        if path.resolve() in {p.resolve() for p in paths[:n]}:
            raise ReplayError(f"{path}: given twice; its requests would be counted twice")
    for path in paths:
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error


def raw_lines(path: Path, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[RawLine]:
    """The lines of a file; blank ones are left out.

    A file named ``.json`` (or ``.json.gz``) is read as one value, a list giving one line an item;
    where it is not one value after all, as lines.

    Raises:
        ReplayError: the file cannot be opened.
    """
    try:
        stored = path.open("rb")
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error
    with stored:
        whole = path.name.removesuffix(".gz").endswith(".json")
        yield from lines_of(stored, str(path), whole=whole, max_line_bytes=max_line_bytes)


def lines_of(
    stored: IO[bytes], source: str, *, whole: bool, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[RawLine]:
    """The lines of an open file that can be rewound; see `raw_lines`.

    Args:
        stored: the file, gzipped or not.
        source: what to call it.
        whole: whether it may be one JSON value over several lines.
        max_line_bytes: longer lines become problems.
    """
    packed = stored.read(2) == GZIP_MAGIC
    stored.seek(0)
    stream: IO[bytes] = gzip.GzipFile(fileobj=stored) if packed else stored  # type: ignore[assignment]  # GzipFile reads like one
    if whole:
        items = _items(stream, source, max_line_bytes)
        if items is not None:
            yield from items
            return
        stored.seek(0)
        stream = gzip.GzipFile(fileobj=stored) if packed else stored  # type: ignore[assignment]  # the same
    yield from _lines(stream, stored, source, max_line_bytes)


def _lines(
    stream: IO[bytes], stored: IO[bytes], source: str, max_line_bytes: int
) -> Iterator[RawLine]:
    number = 0
    while True:
        number += 1
        try:
            data = stream.readline(max_line_bytes + 1)
            too_long = len(data) > max_line_bytes
            while too_long and data and not data.endswith(b"\n"):
                data = stream.readline(SKIPPED_AT_ONCE)
        except (OSError, EOFError, zlib.error) as error:
            yield RawLine(source, number, b"", stored.tell(), f"the file is damaged here: {error}")
            return
        if too_long:
            problem = f"the line is longer than {max_line_bytes:,} bytes"
            yield RawLine(source, number, b"", stored.tell(), problem)
            continue
        if not data:
            return
        data = data.removeprefix(BOM) if number == 1 else data
        if data.strip():
            yield RawLine(source, number, data, stored.tell())


def _items(stream: IO[bytes], source: str, max_bytes: int) -> list[RawLine] | None:
    """Items of a file that is one JSON value; None where it is not, or is too large for that."""
    try:
        data = stream.read(max_bytes + 1).removeprefix(BOM)
        if len(data) > max_bytes:
            return None
        value: Any = json.loads(data)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return None
    items = value if isinstance(value, list) else [value]
    share = len(data) // max(1, len(items))
    return [
        RawLine(source, n, json.dumps(item).encode(), n * share) for n, item in enumerate(items, 1)
    ]
