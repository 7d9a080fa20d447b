"""Which units to keep under a budget: a lazy greedy choice with the marks of gaps paid for.

Pure numbers in, a choice out; nothing here knows a message. Value falls for each further unit of
one template, so that a budget buys different events before repeats.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP_TOKENS: Final = 4  # of "[-12]\n"
REPEAT_WORTH: Final = 0.6  # value of the second unit of a template, relative to the first


@dataclass(frozen=True, slots=True)
class Choice:
    """Everything the choice needs to know of one unit.

    Attributes:
        value: how much it is worth, 0 or more.
        tokens: what it costs by itself.
        template: units with the same one are repeats of each other; -1 for none.
        block: units of one block are neighbours in the text; gaps are counted inside it.
        opening_tokens: what keeping the first unit of its block costs on top.
        anchor: kept when and only when anything else of its block is (a table's head).
    """

    value: float
    tokens: int
    template: int
    block: int
    opening_tokens: int = 0
    anchor: bool = False


def choose_units(units: Sequence[Choice], budget_tokens: int) -> list[bool]:
    """Keep the most valuable units that fit; ties go to the earlier one.

    Returns:
        For each unit whether it is kept. Units plus gap marks plus openings fit the budget.
    """
    kept = [False] * len(units)
    seen: dict[int, int] = {}
    opened: set[int] = set()
    anchors: dict[int, list[int]] = {}
    for i, unit in enumerate(units):
        if unit.anchor:
            anchors.setdefault(unit.block, []).append(i)
    heap = [(-u.value, i) for i, u in enumerate(units) if not u.anchor]
    heapq.heapify(heap)
    left = budget_tokens
    while heap and left > 0:
        negative, i = heapq.heappop(heap)
        unit = units[i]
        worth = unit.value * REPEAT_WORTH ** seen.get(unit.template, 0)
        if unit.template >= 0 and -negative > worth + 1e-12:
            heapq.heappush(heap, (-worth, i))  # stale: put back with what it is worth now
            continue
        cost = unit.tokens + _gap_change(units, kept, i)
        if unit.block not in opened:
            cost += unit.opening_tokens + GAP_TOKENS
            cost += sum(units[a].tokens for a in anchors.get(unit.block, ()))
        if cost > left:
            continue
        kept[i] = True
        left -= cost
        if unit.block not in opened:
            opened.add(unit.block)
            for a in anchors.get(unit.block, ()):
                kept[a] = True
        if unit.template >= 0:
            seen[unit.template] = seen.get(unit.template, 0) + 1
    return kept


def _gap_change(units: Sequence[Choice], kept: Sequence[bool], i: int) -> int:
    """Tokens of gap marks that keeping a unit adds (or saves) inside its block."""
    block = units[i].block
    before = i > 0 and units[i - 1].block == block
    after = i + 1 < len(units) and units[i + 1].block == block
    closed = (not before or kept[i - 1]) + (not after or kept[i + 1])
    return GAP_TOKENS * (1 - closed)
