"""Places of a text where a token begins, whatever stands further away on either side.

Encodings split a text before they merge. Two rules hold for all in `BEGIN_ANEW`: a token never runs
from a sign into a blank, and one begins behind a line break where neither white space nor a slash
follows. So the tokens of the two sides of such a place add up.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

BEGIN_ANEW: Final = frozenset({"cl100k_base", "o200k_base"})

PlaceArray = npt.NDArray[np.int64]

_BLANK, _BREAK, _SLASH = ord(" "), ord("\n"), ord("/")
_SPACES: Final = np.array(
    [0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000], np.uint32
)


def borders_of(text: str) -> PlaceArray:
    """The places, as rising indices of characters; never 0."""
    if text.isascii():
        points: npt.NDArray[np.uint8] | npt.NDArray[np.uint32]
        points = np.frombuffer(text.encode("ascii"), np.uint8)
        signs = points > _BLANK
    else:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        signs = (points > _BLANK) & ~np.isin(points, _SPACES)
    before, here = points[:-1], points[1:]
    found = (here == _BLANK) & signs[:-1]
    found |= (before == _BREAK) & signs[1:] & (here != _SLASH)
    return np.asarray(found.nonzero()[0] + 1, np.int64)


def may_join(left: str, right: str) -> bool:
    """Whether texts that were cut at such places meet at one: then they may be encoded as one."""
    return (left[-1:] == "\n") != (right[:1] == " ")
