"""How a text became what is sent, stretch by stretch, over all stages that edited it.

Edits say what a text reads afterwards. Here each is laid beside the text before it, and they are
put on top of each other; so what one stage wrote and a later one cut is still to be seen. Whatever
the edits are, the stretches that were given make up the original and those that are sent make up
what is sent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tokenthrift.report.matching import matching_pieces, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tokenthrift.draft import Edit, Step, UnitNote
    from tokenthrift.types import Segment

REWRITTEN_SHARE: Final = 0.25  # of a new text: with less of the old one in it, it is another text


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of text with one fate.

    Attributes:
        given: whether it stands in the original.
        sent: whether it stands in what is sent.
        stage: that last changed it, or last looked at it as a unit.
        shorter: of what is not sent: whether the stage said the same in less, so nothing is lost.
        rewritten: whether a whole text was written anew: of both, what it was and what it became.
        why: the reason of the edit, or those of the unit, in a few words each.
        value: what the unit was worth against others; None where nobody weighed it.
    """

    text: str
    given: bool = True
    sent: bool = True
    stage: str = ""
    shorter: bool = False
    rewritten: bool = False
    why: tuple[str, ...] = ()
    value: float | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    """Of a text, what becomes of its next ``length`` characters; or a text that is written here.

    ``anew`` says that the whole of one text took the place of the whole of another.
    """

    length: int
    stays: bool
    written: str = ""
    anew: bool = False
    unit: UnitNote | None = None


def stretches_of(
    segments: Sequence[Segment], steps: Iterable[Step]
) -> dict[str, tuple[Stretch, ...]]:
    """The stretches of every segment, by its id.

    Args:
        segments: as they are sent.
        steps: what was done to them, in order; steps that were undone are left out.
    """
    state = {s.id: ([Stretch(s.original)] if s.original else []) for s in segments}
    messages: dict[str, list[str]] = defaultdict(list)
    for segment in segments:
        messages[f"m{segment.message}"].append(segment.id)
    for step in steps:
        for edit in step.edits:
            if edit.action == "remove":
                own = [name for name in messages[edit.target] if _sent(state[name])]
                units = by_segment(edit.units)
                for n, name in enumerate(own):
                    notes = units[n] if len(units) == len(own) else ()
                    gone = replace(edit, text="", units=notes)
                    state[name] = _after(state[name], gone, step.stage)
            elif edit.target in state:
                state[edit.target] = _after(state[edit.target], edit, step.stage)
    return {name: tuple(_joined(own)) for name, own in state.items()}


def by_segment(notes: Sequence[UnitNote]) -> list[tuple[UnitNote, ...]]:
    """The notes of a whole message, one text after the other: each text's begin at 0."""
    out: list[list[UnitNote]] = []
    for note in notes:
        if note.start == 0 or not out:
            out.append([])
        out[-1].append(note)
    return [tuple(own) for own in out]


def _sent(stretches: Iterable[Stretch]) -> str:
    return "".join(s.text for s in stretches if s.sent)


def _after(stretches: Sequence[Stretch], edit: Edit, stage: str) -> list[Stretch]:
    """The stretches after one more edit."""
    out: list[Stretch] = []
    rest = list(reversed(stretches))
    for change in _changes(_sent(stretches), edit):
        if change.written:
            why = (edit.reason,)
            new = Stretch(change.written, False, stage=stage, rewritten=change.anew, why=why)
            out.append(new)
        left = change.length
        while left:
            stretch = rest.pop()
            if not stretch.sent:
                out.append(stretch)
                continue
            piece, more = stretch.text[:left], stretch.text[left:]
            if more:
                rest.append(replace(stretch, text=more))
            left -= len(piece)
            out.append(_changed(replace(stretch, text=piece), change, edit, stage))
    return [*out, *reversed(rest)]


def _changed(stretch: Stretch, change: _Change, edit: Edit, stage: str) -> Stretch:
    """A stretch with what an edit says of it."""
    if change.unit is not None:
        unit = change.unit
        stretch = replace(stretch, stage=stage, why=unit.reasons, value=unit.value)
    elif not change.stays:
        stretch = replace(stretch, stage=stage, why=(edit.reason,), value=None)
    if change.stays:
        return stretch
    anew = stretch.rewritten or change.anew
    return replace(stretch, sent=False, shorter=edit.level <= 1, rewritten=anew)


def _changes(before: str, edit: Edit) -> list[_Change]:
    """What an edit does to a text, from its beginning to its end."""
    after = edit.text
    if edit.action == "mark":
        at = after.find(before)
        whole = _Change(len(before), True)
        return [_written(after[:at]), whole, _written(after[at + len(before) :])]
    changes = _by_units(before, after, edit.units) if edit.units else None
    return _by_pieces(before, after) if changes is None else changes


def _written(text: str) -> _Change:
    return _Change(0, stays=True, written=text)


def _by_units(before: str, after: str, notes: Sequence[UnitNote]) -> list[_Change] | None:
    """What became of each unit, with what is written between them; None where they do not fit."""
    ends = [0, *(n.end for n in notes)]
    if [n.start for n in notes] != ends[:-1] or ends[-1] != len(before):
        return None
    changes: list[_Change] = []
    at = 0
    for kept, group in groupby(notes, key=lambda note: note.kept):
        own = list(group)
        if kept:
            run = before[own[0].start : own[-1].end]
            found = after.find(run, at)
            if found < 0:
                return None
            changes.append(_written(after[at:found]))
            at = found + len(run)
        changes += [_Change(n.end - n.start, kept, unit=n) for n in own]
    return [*changes, _written(after[at:])]


def _by_pieces(before: str, after: str) -> list[_Change]:
    """Lines that both texts have, in order; what is between them went, and was written instead."""
    old, new = pieces_of(before), pieces_of(after)
    runs = matching_pieces(old, new)
    same = sum(len(piece) for run in runs for piece in new[run.after : run.after + run.length])
    if same < REWRITTEN_SHARE * len(after):
        return [_Change(len(before), False, anew=True), _Change(0, True, after, anew=True)]
    changes: list[_Change] = []
    a = b = 0
    for run in runs:
        changes += _between(old[a : run.before], new[b : run.after])
        a, b = run.before + run.length, run.after + run.length
        changes.append(_Change(len("".join(old[run.before : a])), True))
    return [*changes, *_between(old[a:], new[b:])]


def _between(gone: Sequence[str], written: Sequence[str]) -> Iterator[_Change]:
    if gone:
        yield _Change(len("".join(gone)), False)
    if written:
        yield _written("".join(written))


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Neighbours that are alike in all but their text as one; units stay apart."""
    last: Stretch | None = None
    for stretch in stretches:
        if last is not None and last.value is None and replace(last, text=stretch.text) == stretch:
            last = replace(last, text=last.text + stretch.text)
            continue
        if last is not None:
            yield last
        last = stretch
    if last is not None:
        yield last
