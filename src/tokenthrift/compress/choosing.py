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

    Repeats of a template wait in a queue of their own and only its head competes, so that a choice
    takes n log n steps however often an event repeats.

    Returns:
        For each unit whether it is kept. Units plus gap marks plus openings fit the budget.
    """
    kept = [False] * len(units)
    anchors: dict[int, list[int]] = {}
    queues: dict[int, list[int]] = {}
    for i, unit in enumerate(units):
        if unit.anchor:
            anchors.setdefault(unit.block, []).append(i)
        else:
            # Units without a template have a queue each, under a number that no template has.
            queues.setdefault(unit.template if unit.template >= 0 else -1 - i, []).append(i)
    for queue in queues.values():
        queue.sort(key=lambda i: (units[i].value, -i))  # the best is popped from the end
    heap = [(-units[q[-1]].value, q[-1], name) for name, q in queues.items()]
    heapq.heapify(heap)
    discount = dict.fromkeys(queues, 1.0)
    opened: set[int] = set()
    left = budget_tokens
    while heap and left > 0:
        _, i, name = heapq.heappop(heap)
        unit = units[i]
        opening = unit.block not in opened
        together = [*(anchors.get(unit.block, ()) if opening else ()), i]
        cost = unit.opening_tokens + GAP_TOKENS if opening else 0
        for one in together:  # each changes the gaps that the next one finds
            cost += units[one].tokens + _gap_change(units, kept, one)
            kept[one] = True
        if cost <= left:
            left -= cost
            discount[name] *= REPEAT_WORTH
            opened.add(unit.block)
        else:
            for one in together:
                kept[one] = False
        queue = queues[name]
        queue.pop()
        if queue:
            heapq.heappush(heap, (-units[queue[-1]].value * discount[name], queue[-1], name))
    return kept


def _gap_change(units: Sequence[Choice], kept: Sequence[bool], i: int) -> int:
    """Tokens of gap marks that keeping a unit adds (or saves) inside its block."""
    block = units[i].block
    before = i > 0 and units[i - 1].block == block
    after = i + 1 < len(units) and units[i + 1].block == block
    closed = (not before or kept[i - 1]) + (not after or kept[i + 1])
    return GAP_TOKENS * (1 - closed)
