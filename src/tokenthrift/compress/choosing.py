"""Which units to keep under a budget: a lazy greedy choice with the marks of gaps paid for.

Pure numbers in, a choice out; nothing here knows a message. A unit gains its own value and that of
the names that nothing kept shows yet; value falls for each further unit of one template. Both only
fall as more is kept (the gain is submodular), so a stale gain is worked out anew only at the top of
the queue (Minoux, 1978).
"""

from __future__ import annotations

import heapq
import math
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP_TOKENS: Final = 3  # of "[-12]"
# Value of a unit next to a kept one, which closes a gap; in running text it is also read with it.
NEXT_WORTH: Final = 1.12
NEXT_RUNNING_WORTH: Final = 1.25
REPEAT_WORTH: Final = 0.6  # value of the second unit of a template, relative to the first


@dataclass(frozen=True, slots=True)
class Choice:
    """Everything the choice needs to know of one unit.

    Attributes:
        value: how much it is worth, 0 or more; below 0 it goes even where there is room.
        tokens: what it costs by itself.
        template: units with the same one are repeats of each other; -1 for none.
        block: units of one block are neighbours in the text; gaps are counted inside it.
        opening_tokens: what keeping the first unit of its block costs on top.
        anchor: kept when and only when anything else of its block is (a table's head).
        running: whether it is part of running text.
        names: numbers of the names in it.
        head: place of the unit that is kept with it, or -1; an anchor that is a head is kept for
            what hangs on it, not for its whole block.
        core: comes before what waits in its block.
        waits: competes once every core unit of its block is kept.
    """

    value: float
    tokens: int
    template: int
    block: int
    opening_tokens: int = 0
    anchor: bool = False
    running: bool = False
    names: Sequence[int] = ()
    head: int = -1
    core: bool = False
    waits: bool = False


def choose_units(
    units: Sequence[Choice],
    budget_tokens: int,
    name_worth: Sequence[float] = (),
    given: Sequence[int] = (),
) -> list[bool]:
    """Keep the most valuable units that fit; ties go to the earlier one.

    Repeats of a template wait in a queue of their own and only its head competes, so that a choice
    takes n log n steps however often an event repeats.

    Args:
        units: in the order of the text.
        budget_tokens: for units, gap marks and openings.
        name_worth: by number of the name. Where there are any, gains count against the square root
            of a unit's size: a name is as well shown by a short unit as by a long one.
        given: places of units that are kept whatever they cost; the rest must fit behind them.

    Returns:
        For each unit whether it is kept. Units plus gap marks plus openings fit the budget, but
        for what is given.
    """
    chooser = _Chooser(units, name_worth)
    left = budget_tokens - sum(chooser.give(i) for i in given)
    while left > 0:
        i = chooser.next()
        if i is None:
            break
        left -= chooser.take(i, left)
    return chooser.kept


class _Chooser:
    """The state of one choice: what competes, and what is kept."""

    def __init__(self, units: Sequence[Choice], name_worth: Sequence[float] = ()) -> None:
        self.units = units
        self.kept = [False] * len(units)
        self._unseen = list(name_worth)
        self._sizes = [math.sqrt(u.tokens + 2) if self._unseen else 1.0 for u in units]
        self._anchors: dict[int, list[int]] = {}
        self._queues: dict[int, list[int]] = {}
        heads = {u.head for u in units}
        for i, unit in enumerate(units):
            if unit.anchor and i in heads:
                continue
            if unit.anchor:
                self._anchors.setdefault(unit.block, []).append(i)
            elif unit.value >= 0:
                self._queues.setdefault(_queue_of(units, i), []).append(i)
        self._discount = dict.fromkeys(self._queues, 1.0)
        for queue in self._queues.values():
            if len(queue) > 1:  # the best is popped from the end
                queue.sort(key=lambda i: (self._gain(i), -i))
        self._core: Counter[int] = Counter()
        if any(u.waits for u in units):
            self._core.update(u.block for u in units if u.core and not u.anchor and u.value >= 0)
        self._waiting: dict[int, list[int]] = {}
        self._heap: list[tuple[float, int]] = []
        for queue in self._queues.values():
            i = queue[-1]
            if units[i].waits and self._core[units[i].block]:
                self._waiting.setdefault(units[i].block, []).append(i)
            else:
                self._heap.append((-self._gain(i), i))
        heapq.heapify(self._heap)
        self._opened: set[int] = set()
        self._done: set[int] = set()
        self._refused: set[int] = set()

    def _waits(self, i: int) -> bool:
        """Whether some of the core of its block, which comes first, is not kept yet."""
        return self.units[i].waits and self._core[self.units[i].block] > 0

    def _gain(self, i: int) -> float:
        """What keeping a unit would bring now, for its size."""
        unit = self.units[i]
        fresh = sum(self._unseen[name] for name in unit.names)
        gain = (unit.value * self._discount[_queue_of(self.units, i)] + fresh) / self._sizes[i]
        if unit.template < 0 and self._beside_kept(i):
            gain *= NEXT_RUNNING_WORTH if unit.running else NEXT_WORTH
        return gain

    def _beside_kept(self, i: int) -> bool:
        block = self.units[i].block
        return any(
            0 <= j < len(self.units) and self.kept[j] and self.units[j].block == block
            for j in (i - 1, i + 1)
        )

    def next(self) -> int | None:
        """The most valuable unit that nothing has been decided about."""
        while self._heap:
            stored, i = heapq.heappop(self._heap)
            if i in self._done:
                continue
            if self.kept[i]:  # as the head of another
                self._advance(i)
                continue
            if self.units[i].names:
                gain = self._gain(i)
                if gain < -stored and self._heap and (-gain, i) > self._heap[0]:
                    heapq.heappush(self._heap, (-gain, i))
                    continue
            return i
        return None

    def take(self, i: int, left: int) -> int:
        """Keep a unit if it fits, and let the next of its kind compete; what it costs."""
        cost = self._keep(i, left)
        if cost is None:
            self._refused.add(i)
        else:
            self._discount[_queue_of(self.units, i)] *= REPEAT_WORTH
            self._favour(i)
        self._advance(i)
        return cost or 0

    def give(self, i: int) -> int:
        """Keep a unit whatever it costs; that is what it costs."""
        return 0 if self.kept[i] else self._keep(i, sys.maxsize) or 0

    def _advance(self, i: int) -> None:
        """A unit is decided about; the next of its kind competes."""
        self._done.add(i)
        queue = self._queues[_queue_of(self.units, i)]
        queue.pop()
        if not queue:
            return
        best = queue[-1]
        if self._waits(best):
            self._waiting.setdefault(self.units[best].block, []).append(best)
        else:
            heapq.heappush(self._heap, (-self._gain(best), best))

    def _heads(self, i: int) -> list[int] | None:
        """What must be kept with a unit and is not yet, outermost first; None if it did not fit."""
        heads: list[int] = []
        head = self.units[i].head
        while head >= 0 and not self.kept[head]:
            if head in self._refused:
                return None
            heads.append(head)
            head = self.units[head].head
        return heads[::-1]

    def _keep(self, i: int, left: int) -> int | None:
        unit = self.units[i]
        heads = self._heads(i)
        if heads is None:
            return None
        opening = unit.block not in self._opened
        together = [*(self._anchors.get(unit.block, ()) if opening else ()), *heads, i]
        cost = unit.opening_tokens + GAP_TOKENS if opening else 0
        for one in together:  # each changes the gaps that the next one finds
            cost += self.units[one].tokens + _gap_change(self.units, self.kept, one)
            self.kept[one] = True
        if cost > left:
            for one in together:
                self.kept[one] = False
            return None
        self._opened.add(unit.block)
        for one in together:
            self._show(one)
        return cost

    def _show(self, i: int) -> None:
        """Names of a kept unit are shown; behind the last core unit comes what waited for it."""
        unit = self.units[i]
        for name in unit.names:
            self._unseen[name] = 0.0
        if self._core[unit.block] and unit.core and not unit.anchor and unit.value >= 0:
            self._core[unit.block] -= 1
            if not self._core[unit.block]:
                for one in self._waiting.pop(unit.block, ()):
                    heapq.heappush(self._heap, (-self._gain(one), one))

    def _favour(self, i: int) -> None:
        """The neighbours of a kept unit are worth a little more: with them a gap closes."""
        for j in (i - 1, i + 1):
            if 0 <= j < len(self.units) and j not in self._done:
                near = self.units[j]
                alone = near.template < 0 and not near.anchor and near.value >= 0
                if alone and not self._waits(j) and near.block == self.units[i].block:
                    heapq.heappush(self._heap, (-self._gain(j), j))


def _queue_of(units: Sequence[Choice], i: int) -> int:
    """Repeats of a template share a queue; any other unit has one, under a number of its own."""
    template = units[i].template
    return template if template >= 0 else -1 - i


def _gap_change(units: Sequence[Choice], kept: Sequence[bool], i: int) -> int:
    """Tokens of gap marks that keeping a unit adds (or saves) inside its block."""
    block = units[i].block
    before = i > 0 and units[i - 1].block == block
    after = i + 1 < len(units) and units[i + 1].block == block
    closed = (not before or kept[i - 1]) + (not after or kept[i + 1])
    return GAP_TOKENS * (1 - closed)
