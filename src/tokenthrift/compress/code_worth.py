"""What units of source text are worth beyond their words: signatures, imports, what is asked for.

Pure numbers, set with benchmarks/source_code.py on sources of this repository.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.code_units import Source
    from tokenthrift.compress.worth import Worth
    from tokenthrift.types import Unit

# Added to a relevance of at most 1.
SIGNATURE_WORTH: Final = 0.6
IMPORT_WORTH: Final = 0.1
# What is asked for by name or by its docstring is asked for as a whole: everything in a body is
# worth more, by this power of the relevance of its signature.
BODY_POWER: Final = 2

SIGNATURE, IMPORT, BODY = "signature", "import", "body"


def favoured(
    worth: Worth, sources: Sequence[Source | None], units: Sequence[Sequence[Unit]]
) -> Worth:
    """The same worth, with what the syntax of sources adds.

    Holders of a statement stand and fall with the last one, so that one has the worth of all.

    Args:
        worth: of all units, one segment after the other.
        sources: of the segments that were cut along their syntax.
        units: of all segments, with what they hang on.
    """
    values = worth.values.copy()
    added = {name: np.zeros(len(values), np.float32) for name in (SIGNATURE, IMPORT, BODY)}
    names = list(worth.names.of_unit)
    first = 0
    for source, own in zip(sources, units, strict=True):
        if source is not None:
            part = slice(first, first + len(own))
            names[part] = _gather(own, values[part], names[part])
            _add(source, own, values[part], {n: a[part] for n, a in added.items()})
        first += len(own)
    values += sum(added.values())
    structure = {**worth.structure, **added}
    return replace(worth, values=values, names=Names(names, worth.names.worth), structure=structure)


def _gather(
    units: Sequence[Unit], values: np.typing.NDArray[np.float32], names: Sequence[Sequence[int]]
) -> list[Sequence[int]]:
    """Give last holders the best value and all names of the holders before them."""
    out = list(names)
    for n, unit in enumerate(units):
        head = unit.head
        if unit.anchor or head < 0 or not units[head].anchor:
            continue
        shown = dict.fromkeys(out[n])
        while head >= 0 and units[head].anchor:
            values[n] = max(values[n], values[head])
            shown |= dict.fromkeys(out[head])
            head = units[head].head
        out[n] = list(shown)
    return out


def _add(
    source: Source,
    units: Sequence[Unit],
    values: np.typing.NDArray[np.float32],
    added: dict[str, np.typing.NDArray[np.float32]],
) -> None:
    definition = [-1] * len(units)  # the last holder of the one that a unit is in
    for n in _outside_in(units):
        head = units[n].head
        if head < 0 or units[n].anchor:
            continue
        while head >= 0 and units[head].anchor:
            head = units[head].head
        if head >= 0:
            is_one = source.roles[head] == "signature"
            definition[n] = head if is_one else definition[head]
    for n, role in enumerate(source.roles):
        added[SIGNATURE][n] = SIGNATURE_WORTH * (role == "signature")
        added[IMPORT][n] = IMPORT_WORTH * (role == "import")
        if definition[n] >= 0:
            added[BODY][n] = values[definition[n]] ** BODY_POWER


def _outside_in(units: Sequence[Unit]) -> list[int]:
    """The units, each behind what it hangs on."""
    depths = [-1] * len(units)
    for n in range(len(units)):
        way = []
        at = n
        while at >= 0 and depths[at] < 0:
            way.append(at)
            at = units[at].head
        depth = depths[at] if at >= 0 else 0
        for one in reversed(way):
            depth += 1
            depths[one] = depth
    return sorted(range(len(units)), key=depths.__getitem__)
