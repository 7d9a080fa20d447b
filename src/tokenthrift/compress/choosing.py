"""Which units to keep under a budget: a lazy greedy choice with the marks of gaps paid for.

Pure numbers in, a choice out; nothing here knows a message. A unit gains its own value and that of
the names that nothing kept shows yet; value falls for each further unit of one template. Both only
fall as more is kept (the gain is submodular), so a stale gain is worked out anew only at the top of
the queue (Minoux, 1978).
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

GAP_TOKENS: Final = 3  # of "[-12]"
# Value of a unit next to a kept one, which closes a gap; in running text it is also read with it.
NEXT_WORTH: Final = 1.12
NEXT_RUNNING_WORTH: Final = 1.25
REPEAT_WORTH: Final = 0.6  # value of the second unit of a template, relative to the first


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything the choice needs to know of units, in columns, in the order of the text.

    Attributes:
        values: how much each is worth, 0 or more; below 0 it goes even where there is room.
        tokens: what each costs by itself.
        templates: units with the same one are repeats of each other; -1 for none.
        blocks: units of one block are neighbours in the text; gaps are counted inside it.
        openings: by block, what keeping the first unit of it costs on top.
        gaps: by block, tokens of the mark of a gap; empty where all are `GAP_TOKENS`.
        anchors: units that are kept when and only when anything else of their block is (a table's
            head).
        heads: of each the unit that is kept with it, or -1; empty for none. An anchor that is a
            head is kept for what hangs on it, not for its whole block.
        running: whether each is part of running text; empty for none.
        names: numbers of the names in each; empty for none.
        core: units that come before what waits in their block.
        waits: whether each competes only once every core unit of its block is kept; empty for none.
        name_worth: by number of the name. Where there are any, gains count against the square root
            of a unit's size: a name is as well shown by a short unit as by a long one.
        lines: of each, how many lines it is; empty for one each. Then a unit of several counts as
            much as its lines would one by one.
        exchanges: by block, the number of the tool exchange it is a result of, or -1; empty where
            every exchange stays.
        shells: by exchange, what its calls and frames cost; paid with the first unit of it.
    """

    values: Sequence[float]
    tokens: Sequence[int]
    templates: Sequence[int]
    blocks: Sequence[int]
    openings: Sequence[int]
    gaps: Sequence[int] = ()
    anchors: Sequence[int] = ()
    heads: Sequence[int] = ()
    running: Sequence[bool] = ()
    names: Sequence[Sequence[int]] = ()
    name_worth: Sequence[float] = ()
    core: Sequence[int] = ()
    waits: Sequence[bool] = ()
    lines: Sequence[int] = ()
    exchanges: Sequence[int] = ()
    shells: Sequence[int] = ()

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        """(n,) what gains are multiplied by."""
        sizes = np.asarray(self.tokens, np.float64)
        if not len(self.name_worth):
            return np.ones(len(sizes))
        lines = np.asarray(self.lines, np.float64) if self.lines else np.ones(len(sizes))
        return np.asarray(1 / np.sqrt((sizes + 2) * lines))

    @property
    def fresh(self) -> npt.NDArray[np.float64]:
        """(n,) worth of all names of each unit while nothing shows any."""
        if not len(self.name_worth):
            return np.zeros(len(self.values))
        counts = np.fromiter(map(len, self.names), np.int64, len(self.names))
        flat = np.fromiter(chain.from_iterable(self.names), np.int64, int(counts.sum()))
        worth = np.asarray(self.name_worth, np.float64)[flat]
        owners = np.repeat(np.arange(len(counts)), counts)
        return np.asarray(np.bincount(owners, worth, len(counts)), np.float64)


def choose_units(units: Choices, budget_tokens: int, given: Sequence[int] = ()) -> list[bool]:
    """Keep the most valuable units that fit; ties go to the earlier one.

    Repeats of a template wait in a queue of their own and only its head competes, so that a choice
    takes n log n steps however often an event repeats.

    Args:
        units: what there is to choose from.
        budget_tokens: for units, gap marks and openings.
        given: units that are kept whatever they cost; the rest must fit behind them.

    Returns:
        For each unit whether it is kept. Units plus gap marks plus openings fit the budget, but
        for what is given.
    """
    return Ready(units).choose(budget_tokens, given)


class Ready:
    """Units put in order, to be chosen from several times.

    Args:
        units: what there is to choose from.
    """

    def __init__(self, units: Choices) -> None:
        self.units = units
        n = len(units.values)
        self.values = list(units.values)
        scale = units.scale
        gains = (np.asarray(units.values, np.float64) + units.fresh) * scale
        self.gains, self.scale = gains.tolist(), scale.tolist()
        self.names = units.names if units.name_worth else [()] * n
        blocks = np.asarray(units.blocks, np.int64)
        # Whether the unit before it stands in the same block.
        self.joined = [False, *(blocks[1:] == blocks[:-1]).tolist(), False] if n else [False]
        self.done = [False] * n
        self.anchors: dict[int, list[int]] = {}
        with_others = set(units.heads)
        for i in units.anchors:
            self.done[i] = True
            if i not in with_others:
                self.anchors.setdefault(units.blocks[i], []).append(i)
        self.queues = self._queued()
        # Core units that are not kept yet, and how many by block; what goes anyway does not count.
        self.core = {i for i in units.core if self.values[i] >= 0 and not self.done[i]}
        self.cores = Counter(units.blocks[i] for i in self.core)
        self.waiting: dict[int, list[int]] = {}
        self.heap: list[tuple[float, int]] = []
        for i in [*self._alone(), *(queue[-1] for queue in self.queues.values())]:
            if units.waits and units.waits[i] and self.cores[units.blocks[i]] > 0:
                self.waiting.setdefault(units.blocks[i], []).append(i)
            else:
                self.heap.append((-self.gains[i], i))
        heapify(self.heap)

    def choose(self, budget_tokens: int, given: Sequence[int] = ()) -> list[bool]:
        """For each unit whether it is kept, as `choose_units` says."""
        chooser = _Chooser(self)
        left = budget_tokens - sum(chooser.give(i) for i in given)
        while left > 0:
            i = chooser.next()
            if i < 0:
                break
            left -= chooser.take(i, left)
        return chooser.kept

    def _alone(self) -> list[int]:
        """Units that compete by themselves."""
        rows = zip(self.units.templates, self.values, self.done, strict=True)
        return [i for i, (t, value, done) in enumerate(rows) if t < 0 <= value and not done]

    def _queued(self) -> dict[int, list[int]]:
        """Repeats by template, the best last."""
        queues: dict[int, list[int]] = {}
        for i, template in enumerate(self.units.templates):
            if template >= 0 and self.values[i] >= 0 and not self.done[i]:
                queues.setdefault(template, []).append(i)
        for queue in queues.values():
            if len(queue) > 1:
                queue.sort(key=lambda i: (self.gains[i], -i))
        return queues


class _Chooser:
    """The state of one choice: what competes, and what is kept."""

    def __init__(self, ready: Ready) -> None:
        self.units = ready.units
        self.kept = [False] * len(ready.values)
        self._value, self._scale = ready.values, ready.scale
        self._names, self._joined, self._anchors = ready.names, ready.joined, ready.anchors
        self._done = ready.done.copy()
        self._unseen = list(ready.units.name_worth)
        self._opened: set[int] = set()
        self._exchanges: set[int] = {-1}
        self._queues = {template: queue.copy() for template, queue in ready.queues.items()}
        self._discount = dict.fromkeys(ready.queues, 1.0)
        self._core, self._cores = ready.core.copy(), ready.cores.copy()
        self._waiting = {block: units.copy() for block, units in ready.waiting.items()}
        self._refused: set[int] = set()
        self._heap = ready.heap.copy()

    def _waits(self, i: int) -> bool:
        """Whether some of the core of its block, which comes first, is not kept yet."""
        waits = self.units.waits
        return bool(waits) and waits[i] and self._cores[self.units.blocks[i]] > 0

    def give(self, i: int) -> int:
        """Keep a unit whatever it costs; that is what it costs."""
        return 0 if self.kept[i] else self._keep(i, sys.maxsize) or 0

    def _gain(self, i: int) -> float:
        """What keeping a unit would bring now, for its size."""
        gain: float = self._value[i]
        template = self.units.templates[i]
        if template >= 0:
            gain *= self._discount[template]
        for name in self._names[i]:
            gain += self._unseen[name]
        gain *= self._scale[i]
        joined, kept = self._joined, self.kept
        if template < 0 and ((joined[i] and kept[i - 1]) or (joined[i + 1] and kept[i + 1])):
            running = self.units.running and self.units.running[i]
            gain *= NEXT_RUNNING_WORTH if running else NEXT_WORTH
        return gain

    def next(self) -> int:
        """The most valuable unit that nothing has been decided about; -1 for none."""
        heap, done, names = self._heap, self._done, self._names
        while heap:
            stored, i = heappop(heap)
            if done[i]:
                continue
            if self.kept[i]:  # as the head of another
                self._advance(i)
                continue
            if names[i] and heap:
                gain = self._gain(i)
                if gain < -stored and (-gain, i) > heap[0]:
                    heappush(heap, (-gain, i))
                    continue
            return i
        return -1

    def take(self, i: int, left: int) -> int:
        """Keep a unit if it fits, and let the next of its kind compete; what it costs."""
        template = self.units.templates[i]
        cost = self._keep(i, left)
        if cost is None:
            self._refused.add(i)
        else:
            if template >= 0:
                self._discount[template] *= REPEAT_WORTH
            self._favour(i)
        self._advance(i)
        return cost or 0

    def _advance(self, i: int) -> None:
        """A unit is decided about; the next of its kind competes."""
        self._done[i] = True
        template = self.units.templates[i]
        if template >= 0:
            queue = self._queues[template]
            queue.pop()
            if queue and self._waits(queue[-1]):
                self._waiting.setdefault(self.units.blocks[i], []).append(queue[-1])
            elif queue:
                heappush(self._heap, (-self._gain(queue[-1]), queue[-1]))

    def _keep(self, i: int, left: int) -> int | None:
        """Keep a unit with what it needs; what it costs, None where it does not fit."""
        block, tokens, kept = self.units.blocks[i], self.units.tokens, self.kept
        heads = self._heads(i)
        if heads is None:
            return None
        opening = block not in self._opened
        cost = self.units.openings[block] + GAP_TOKENS if opening else 0
        exchange = self.units.exchanges[block] if self.units.exchanges else -1
        if exchange not in self._exchanges:
            cost += self.units.shells[exchange]
        anchors = self._anchors.get(block, ()) if opening else ()
        together = (*anchors, *heads, i)
        for one in together:  # each changes the gaps that the next one finds
            cost += tokens[one] + self._gap_change(one)
            kept[one] = True
        if cost > left:
            for one in together:
                kept[one] = False
            return None
        self._opened.add(block)
        self._exchanges.add(exchange)
        for one in together:
            self._show(one)
        return cost

    def _show(self, i: int) -> None:
        """Names of a kept unit are shown; behind the last core unit comes what waited for it."""
        for name in self._names[i]:
            self._unseen[name] = 0.0
        if i in self._core:
            self._core.discard(i)
            block = self.units.blocks[i]
            self._cores[block] -= 1
            if not self._cores[block]:
                for one in self._waiting.pop(block, ()):
                    heappush(self._heap, (-self._gain(one), one))

    def _heads(self, i: int) -> list[int] | None:
        """What must be kept with a unit and is not yet, outermost first; None if it did not fit."""
        heads: list[int] = []
        head = self.units.heads[i] if self.units.heads else -1
        while head >= 0 and not self.kept[head]:
            if head in self._refused:
                return None
            heads.append(head)
            head = self.units.heads[head]
        return heads[::-1]

    def _gap_change(self, i: int) -> int:
        """Tokens of gap marks that keeping a unit adds (or saves) inside its block."""
        joined, kept = self._joined, self.kept
        before = not joined[i] or kept[i - 1]
        after = not joined[i + 1] or kept[i + 1]
        gap = self.units.gaps[self.units.blocks[i]] if self.units.gaps else GAP_TOKENS
        return gap * (1 - before - after)

    def _favour(self, i: int) -> None:
        """The neighbours of a kept unit are worth a little more: with them a gap closes."""
        joined, done = self._joined, self._done
        for j in (i - 1 if joined[i] else -1, i + 1 if joined[i + 1] else -1):
            open_ = j >= 0 and not done[j] and self.units.templates[j] < 0 <= self._value[j]
            if open_ and not self._waits(j):
                heappush(self._heap, (-self._gain(j), j))
