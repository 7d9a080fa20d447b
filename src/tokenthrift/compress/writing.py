"""Write a choice of units as edits: kept text verbatim, a mark at each gap, a legend at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenthrift.compress import markers
from tokenthrift.draft import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Segment, Unit


class Writer:
    """Turns kept units into edits, with marks in place and one legend at the end.

    Args:
        skipped: messages that were removed before; the first mark counts them.
        with_legend: whether to explain the marks behind the last text.
    """

    def __init__(self, skipped: int, *, with_legend: bool) -> None:
        self._with_legend = with_legend
        self._texts: list[list[str]] = []
        self._cut: list[tuple[Segment, int, int]] = []
        self._removed: dict[int, None] = {}
        self._lost: list[str] = []
        self._skipped = skipped

    def add(
        self, segment: Segment, units: Sequence[Unit], kept: Sequence[bool], *, removed: bool
    ) -> None:
        """Write one segment, or count it to a message that goes as a whole."""
        if removed:
            self._skipped += segment.message not in self._removed
            self._removed[segment.message] = None
            self._lost.append(segment.text)
            return
        out: list[str] = []
        if self._skipped:
            if self._texts:
                self._texts[-1].append(_on_own_line(self._texts[-1], self._skipped))
            else:
                out.append(markers.messages_gap(self._skipped))
            self._skipped = 0
        out += self._body(segment, units, kept)
        self._texts.append(out)
        self._cut.append((segment, kept.count(False), len(units)))

    def _body(self, segment: Segment, units: Sequence[Unit], kept: Sequence[bool]) -> list[str]:
        out: list[str] = []
        n = 0
        while n < len(units):
            if kept[n]:
                out.append(segment.text[units[n].start : units[n].end])
                n += 1
                continue
            first = n
            while n < len(units) and not kept[n]:
                n += 1
            gone = segment.text[units[first].start : units[n - 1].end]
            if not gone.strip():
                out.append("\n" if "\n" in gone else " ")
                continue
            self._lost.append(gone)
            starts_line = units[first].start == 0 or segment.text[units[first].start - 1] == "\n"
            out.append(markers.gap(n - first, own_line=starts_line and gone.endswith("\n")))
        return out

    def finish(self) -> list[Edit]:
        """All edits; none if nothing was left out."""
        if not self._lost:
            return []
        address = markers.recall_id(self._lost)
        if self._texts:
            last = self._texts[-1]
            if self._skipped:
                last.append(_on_own_line(last, self._skipped))
            if self._with_legend:
                last.append(markers.legend(address))
        why = "little to do with the question"
        edits = [Edit(f"m{m}", "remove", "", why, 2, 1, 1, address) for m in self._removed]
        for (segment, dropped, total), out in zip(self._cut, self._texts, strict=True):
            text = "".join(out)
            if text != segment.text:
                reason = f"kept {total - dropped} of {total} units by relevance and structure"
                edits.append(Edit(segment.id, "replace", text, reason, 2, dropped, total, address))
        return edits


def _on_own_line(before: Sequence[str], messages: int) -> str:
    mark = markers.messages_gap(messages)
    return mark if before and before[-1].endswith("\n") else f"\n{mark}"
