"""Write a choice of units as edits: kept text verbatim, a mark at each gap, a legend at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tokenthrift.compress import markers
from tokenthrift.draft import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Segment, TokenCounter, Unit


NO_ID: Final = "0" * 8  # as long as any


class Marks(Protocol):
    """How what goes from a text is marked in it."""

    @property
    def comment(self) -> str:
        """What begins a line that is no part of the text."""
        ...

    def gap(self, first: int, end: int) -> str:
        """The mark in place of units from ``first`` to before ``end``."""
        ...


class Writer:
    """Turns kept units into edits, with marks in place and one legend.

    Args:
        count: of tokens.
        with_legend: whether to explain the marks behind the last text that was cut.
    """

    def __init__(self, count: TokenCounter, *, with_legend: bool) -> None:
        self._count = count
        self._with_legend = with_legend
        self._written: list[_Written] = []
        self._removed: dict[int, list[Segment]] = {}
        self._lost: list[tuple[str, str]] = []  # a segment's id, and what went from it
        self._skipped = 0

    def add(
        self,
        segment: Segment,
        units: Sequence[Unit],
        kept: Sequence[bool],
        *,
        removed: bool,
        marks: Marks | None = None,
    ) -> None:
        """Write one segment, or count it to a message that goes as a whole.

        Args:
            segment: its text as it is.
            units: of the text.
            kept: of each whether it stays.
            removed: whether its message goes as a whole.
            marks: how gaps are marked, where the segment has marks of its own.
        """
        if removed:
            self._skipped += segment.message not in self._removed
            self._removed.setdefault(segment.message, []).append(segment)
            self._lost.append((segment.id, segment.text))
            return
        body, runs = self._body(segment, units, kept, marks)
        comment = "" if marks is None else marks.comment
        one = _Written(segment, body, kept.count(False), len(units), comment, runs)
        if self._skipped and self._written:
            self._written[-1].after.append(markers.messages_gap(self._skipped))
            self._skipped = 0
        elif self._skipped:
            one.before.append(markers.messages_gap(self._skipped))
            self._skipped = 0
        self._written.append(one)

    def _body(
        self,
        segment: Segment,
        units: Sequence[Unit],
        kept: Sequence[bool],
        marks: Marks | None,
    ) -> tuple[str, list[tuple[int, int, int]]]:
        """What a segment reads without marks around it, and what of that stands in it where."""
        source, size = segment.text, len(units)
        flags = [*kept, True, False]  # either is found behind the last unit
        out: list[str] = []
        runs: list[tuple[int, int, int]] = []
        n = at = 0
        while n < size:
            first, n = n, min(size, flags.index(not flags[n], n))
            start, end = units[first].start, units[n - 1].end
            if flags[first]:
                runs.append((at, start, end))
                out.append(source[start:end])
            else:
                out.append(self._gap(segment, units[first:n], first, marks))
            at += len(out[-1])
        return "".join(out), runs

    def _gap(self, segment: Segment, units: Sequence[Unit], first: int, marks: Marks | None) -> str:
        """What stands in place of units in a row, from number ``first`` on."""
        start, end = units[0].start, units[-1].end
        gone = segment.text[start:end]
        if not gone or gone.isspace():
            return "\n" if "\n" in gone else " "
        self._lost.append((segment.id, gone))
        if marks is not None:
            return marks.gap(first, first + len(units))
        starts_line = start == 0 or segment.text[start - 1] == "\n"
        return markers.gap(len(units), own_line=starts_line and gone.endswith("\n"))

    def finish(self) -> list[Edit]:
        """All edits; none if nothing was left out."""
        if not self._lost:
            return []
        if not self._written:
            self._keep_one_for_the_mark()
        if self._skipped:
            self._written[-1].after.append(markers.messages_gap(self._skipped))
        bearer = self._bearer() if self._with_legend else None
        for one in self._written:
            explains = one is bearer
            if (explains or one.has_marks) and not self._shrinks(one, with_legend=explains):
                self._leave_whole(one)
        lost = tuple(text for _, text in self._lost)
        address = markers.recall_id(lost)
        if bearer is not None:
            bearer.after.append(markers.legend(address))
        for one in self._written:
            if one.dropped or one.has_marks:
                one.tokens(one.text, self._count)  # the draft asks, and does not know the runs
        why = "little to do with the question"
        edits = [Edit(f"m{m}", "remove", "", why, 2, 1, 1, address, lost) for m in self._removed]
        return edits + [e for w in self._written for e in w.edits(address, lost)]

    def _bearer(self) -> _Written:
        """Where the legend goes: behind the last text that was cut and is shorter even so."""
        cut = [w for w in self._written if w.dropped]
        shorter = (w for w in reversed(cut) if self._shrinks(w, with_legend=True))
        return next(shorter, (cut or self._written)[-1])

    def _shrinks(self, one: _Written, *, with_legend: bool) -> bool:
        text = one.text + (markers.legend(NO_ID) if with_legend else "")
        return one.tokens(text, self._count) < one.segment.tokens

    def _leave_whole(self, one: _Written) -> None:
        """Take back the cuts of a text that marks make longer than it was: it only bears marks."""
        if one.dropped:
            one.body, one.dropped = one.segment.text, 0
            one.runs = [(0, 0, len(one.body))]
            self._lost = [(name, text) for name, text in self._lost if name != one.segment.id]

    def _keep_one_for_the_mark(self) -> None:
        """Where everything would go, the first message stays as the place of the mark."""
        first = next(iter(self._removed))
        self._skipped -= 1
        for n, segment in enumerate(self._removed.pop(first)):
            body = markers.gap(1, own_line=True) if n == 0 else ""
            self._written.append(_Written(segment, body, 1, 1))


@dataclass(slots=True)
class _Written:
    """One segment as it will read, and the marks around it."""

    segment: Segment
    body: str
    dropped: int
    total: int
    comment: str = ""
    runs: Sequence[tuple[int, int, int]] = ()
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def has_marks(self) -> bool:
        """Whether there are marks around it."""
        return bool(self.before or self.after)

    def tokens(self, text: str, count: TokenCounter) -> int:
        """What its text costs, maybe with more behind it."""
        behind = len("".join(map(self._said, self.before)))
        runs = [(at + behind, start, end) for at, start, end in self.runs] if behind else self.runs
        return count.kept(text, self.segment.text, runs)

    @property
    def text(self) -> str:
        """With the marks around it."""
        text = "".join(map(self._said, self.before)) + self.body
        for mark in map(self._said, self.after):
            text += mark if text.endswith("\n") or mark.startswith("\n") else f"\n{mark}"
        return text

    def edits(self, address: str, lost: tuple[str, ...]) -> list[Edit]:
        text = self.text
        if text == self.segment.text:
            return []
        if self.body == self.segment.text:
            return [Edit(self.segment.id, "mark", text, "marks what is missing here", 0)]
        reason = (
            f"kept {self.total - self.dropped} of {self.total} units by relevance and structure"
        )
        args = (2, self.dropped, self.total, address, lost)
        return [Edit(self.segment.id, "replace", text, reason, *args)]

    def _said(self, mark: str) -> str:
        """A mark beside the text, as a comment where the text has such."""
        bare = mark.lstrip("\n")
        return f"{mark[: len(mark) - len(bare)]}{self.comment} {bare}" if self.comment else mark
