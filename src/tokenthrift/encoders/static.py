"""A table of word vectors over o200k token ids: the ids that are counted are embedded as well.

A text is the sum of its tokens' rows. Numpy only; the table ships with the package (see STATIC.md)
and is read on first use. It is no model: word order, negation and context do not count.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from tokenthrift.errors import TokenthriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import tiktoken

__all__ = ["StaticTable", "StaticTableError", "load_static", "normalised"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FILE: Final = "static_o200k.npz"
NO_ROW: Final = -1  # of tokens without a letter or a digit, and of pieces of characters
# Strings without a row of their own share fixed random directions: such words are near to
# themselves only. Two of them fall together once in so many.
POOL_ROWS: Final = 4096
POOL_SEED: Final = 20_000
PIECE_TOKENS: Final = 32  # longer units are summed in pieces, so that no loop is long

_CORE: Final = re.compile(r"[^\W_](?:.*[^\W_])?", re.DOTALL)


class StaticTableError(TokenthriftError):
    """The table is missing or is no such table; the message names the file and what to do."""


def row_string(encoding: tiktoken.Encoding, token: int) -> str:
    """What a token stands for: lower case, from its first letter or digit to its last; or nothing.

    Args:
        encoding: the one that the ids belong to.
        token: an id; unused and special ids stand for nothing.
    """
    try:
        text = encoding.decode_single_token_bytes(token).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return ""
    found = None if text.startswith("<|") else _CORE.search(text)
    return found.group().lower() if found else ""


def pool_rows(dims: int) -> npt.NDArray[np.int8]:
    """(POOL_ROWS, dims) of plus and minus one, the same everywhere."""
    words = np.random.PCG64(POOL_SEED).random_raw(POOL_ROWS * dims // 64)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8))
    return (bits.astype(np.int8) * 2 - 1).reshape(POOL_ROWS, dims)


@dataclass(frozen=True, slots=True)
class StaticTable:
    """Vectors of texts as sums of rows; an `Encoder`.

    Attributes:
        tokenize: text to o200k ids, such as ``encoding("o200k_base").encode_ordinary``.
        rows: (rows, d) int8; the last `POOL_ROWS` are the fixed random ones.
        scales: (rows,) float32, what each row is multiplied with.
        row_of: (ids,) int32, the row of each id or `NO_ROW`.
        query_weights: (rows,) float32, how much a token counts in a question.
        about: how the table was made.
    """

    tokenize: Callable[[str], Sequence[int]]
    rows: npt.NDArray[np.int8]
    scales: FloatArray
    row_of: npt.NDArray[np.int32]
    query_weights: FloatArray
    about: dict[str, Any]

    @property
    def dims(self) -> int:
        """Length of a vector."""
        return int(self.rows.shape[1])

    def unit_sums(self, ids_per_unit: Sequence[Sequence[int]]) -> FloatArray:
        """(n, d) float32 sums of rows: add them up over a window, then `normalised`.

        Args:
            ids_per_unit: o200k ids; ids beyond the table have no row.
        """
        lengths = np.fromiter(map(len, ids_per_unit), np.int64, len(ids_per_unit))
        ids = np.fromiter(chain.from_iterable(ids_per_unit), np.int64, int(lengths.sum()))
        return self._sums(ids, lengths, None)

    def unit_vectors(self, ids_per_unit: Sequence[Sequence[int]]) -> FloatArray:
        """(n, d) float32, rows L2-normalised; zero where a unit has no token with a row.

        Args:
            ids_per_unit: o200k ids; ids beyond the table have no row.
        """
        return normalised(self.unit_sums(ids_per_unit))

    def query_vector(self, text: str) -> FloatArray:
        """(d,) float32 of a question, its tokens weighted as training found them to matter."""
        ids = np.asarray(self.tokenize(text), np.int64)
        sums = self._sums(ids, np.array([len(ids)]), self.query_weights)
        return np.asarray(normalised(sums)[0], np.float32)

    def rows_of(self, ids: npt.NDArray[np.int64]) -> tuple[FloatArray, IntArray, BoolArray]:
        """The rows of tokens, each row once.

        Args:
            ids: (m,) o200k ids.

        Returns:
            ``(rows, place, known)``: (used, d) float32; for each id that has a row its place in
            them; (m,) which ids have a row.
        """
        inside = (ids >= 0) & (ids < len(self.row_of))
        found = np.where(inside, self.row_of[np.where(inside, ids, 0)], NO_ROW)
        known = found != NO_ROW
        used, place = _distinct(found[known], len(self.rows))
        return self.rows[used].astype(np.float32) * self.scales[used, None], place, known

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """(n, d) float32, rows L2-normalised, without the weights of questions."""
        return self.unit_vectors([self.tokenize(t) for t in texts])

    def _sums(
        self, ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], weights: FloatArray | None
    ) -> FloatArray:
        """Sum of the rows of each unit.

        Strategy: every row in use is unpacked once; then the first tokens of all pieces are added
        up, then the second ones, and so on. Adding is element by element in an order that a unit
        sets alone, so that its vector does not depend on what else is asked for, nor on a BLAS.
        """
        unpacked, place, known = self.rows_of(ids)
        units = np.repeat(np.arange(len(lengths)), lengths)[known]
        out = np.zeros((len(lengths), self.dims), np.float32)
        if not len(place):
            return out
        if weights is not None:
            used, _ = _distinct(self.row_of[ids[known]], len(self.rows))
            unpacked *= weights[used, None]
        sizes = np.bincount(units, minlength=len(lengths))
        pieces = -(-sizes // PIECE_TOKENS)
        sums = _sum_pieces(unpacked, place, sizes, pieces)
        first = np.cumsum(pieces) - pieces
        filled = pieces > 0
        out[filled] = sums[first[filled]]
        further = np.ones(len(sums), np.bool_)
        further[first[filled]] = False
        np.add.at(out, np.repeat(np.arange(len(pieces)), pieces)[further], sums[further])
        return out


def _distinct(rows: npt.NDArray[np.int32], size: int) -> tuple[IntArray, IntArray]:
    """The rows in use, each once and rising, and the place of every entry among them."""
    place = np.zeros(size, np.int64)
    place[rows] = 1
    used = np.flatnonzero(place)
    place[used] = np.arange(len(used))
    return used, place[rows]


def _sum_pieces(
    table: FloatArray,
    rows: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    pieces: npt.NDArray[np.int64],
) -> FloatArray:
    """(pieces, d) sums of at most `PIECE_TOKENS` rows each, in the order of the units.

    Args:
        table: (used, d) rows.
        rows: place in ``table`` of each token, unit after unit.
        sizes: tokens of each unit.
        pieces: pieces of each unit.
    """
    nth = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.repeat(np.cumsum(sizes) - sizes, pieces) + nth * PIECE_TOKENS
    lengths = np.minimum(np.repeat(sizes, pieces) - nth * PIECE_TOKENS, PIECE_TOKENS)
    longest_first = np.argsort(-lengths, kind="stable")
    at, left = starts[longest_first], np.sort(lengths)
    sums = np.zeros((len(left), table.shape[1]), np.float32)
    taken = np.empty_like(sums)
    for k in range(int(lengths.max())):
        n = len(left) - int(np.searchsorted(left, k, side="right"))
        # Clipping changes nothing here; without it numpy buffers what it takes.
        np.take(table, rows[at[:n] + k], axis=0, out=taken[:n], mode="clip")
        sums[:n] += taken[:n]
    taken[longest_first] = sums
    return taken


def normalised(sums: FloatArray) -> FloatArray:
    """Rows brought to length one; zero rows stay zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))[:, None]
    return np.asarray(sums / np.maximum(lengths, 1e-12), np.float32)


@lru_cache(maxsize=4)
def load_static(tokenize: Callable[[str], Sequence[int]], path: Path | None = None) -> StaticTable:
    """The table, read once.

    Args:
        tokenize: text to o200k ids.
        path: of another table than the packaged one, as ``save_table`` wrote it.

    Raises:
        StaticTableError: the file is not there or cannot be read as a table.
    """
    file = path or resources.files("tokenthrift.encoders").joinpath(FILE)
    hint = "install tokenthrift again, or run benchmarks/train_static.py"
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            about = json.loads(held["about"].tobytes())
            return _table(tokenize, held, about)
    except FileNotFoundError as error:
        raise StaticTableError(f"{file}: the static table is not here; {hint}") from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise StaticTableError(f"{file}: not a static table ({error}); {hint}") from error


def _table(
    tokenize: Callable[[str], Sequence[int]], held: Any, about: dict[str, Any]
) -> StaticTable:
    own, scales = held["rows"], held["scales"].astype(np.float32)
    pool = pool_rows(own.shape[1])
    pool_scale = np.full(POOL_ROWS, held["pool_scale"], np.float32)
    return StaticTable(
        tokenize=tokenize,
        rows=np.concatenate([own, pool]),
        scales=np.concatenate([scales, pool_scale]),
        row_of=held["row_of"],
        query_weights=np.concatenate(
            [held["query_weights"].astype(np.float32), np.ones(POOL_ROWS, np.float32)]
        ),
        about=about,
    )


def save_table(
    path: Path,
    rows: FloatArray,
    query_weights: FloatArray,
    row_of: npt.NDArray[np.int32],
    about: dict[str, Any],
) -> None:
    """Write a table as int8 rows with a scale each.

    Args:
        path: ends in ``.npz``.
        rows: (rows, d) as trained, without the random ones.
        query_weights: (rows,).
        row_of: (ids,) row of each id, `NO_ROW`, or a random row counted on from ``len(rows)``.
        about: how the table was made; JSON.
    """
    lengths = np.linalg.norm(rows, axis=1)
    scales = (np.abs(rows).max(axis=1) / 127).astype(np.float16)
    steps = np.maximum(scales.astype(np.float32), 1e-7)[:, None]
    np.savez_compressed(
        path,
        rows=np.clip(np.rint(rows / steps), -127, 127).astype(np.int8),
        scales=scales,
        query_weights=query_weights.astype(np.float16),
        row_of=row_of,
        pool_scale=np.float32(np.median(lengths) / np.sqrt(rows.shape[1])),
        about=np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8),
    )
