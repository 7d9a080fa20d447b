"""The history of a conversation: each view sees its own turns, whoever else reads on."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift import wire
from tokenthrift.compress import split
from tokenthrift.compress.changes import key_of
from tokenthrift.compress.names import name_set
from tokenthrift.compress.pointers import lines_of
from tokenthrift.history import History, Sums
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from tokenthrift.types import Segment

LINES = [f"line number {n} names file_{n}.py and ends" for n in range(6)]


def segments(rows: list[list[int]]) -> list[Segment]:
    """A segment for each row of line numbers."""
    texts = ["\n".join(LINES[n] for n in row) or "x" for row in rows]
    messages = [{"role": "user", "content": text} for text in texts]
    request = wire.read({"model": "gpt-4o", "messages": messages})
    return list(split(request, counter_for("gpt-4o")).segments)


def grown_to(history: History, own: list[Segment]) -> History:
    """The history of a draft of these segments, which begin with its own."""
    return history.grown(own, Sums.of(own, ()))


def shown(history: History) -> tuple[object, ...]:
    """Everything a history says of the lines and names there are."""
    copies = history.copies(lines_of)
    known = [line for line in map(key_of, LINES) if line in copies.known]
    places = {line: copies.places(line) for line in known}
    names = {f"file_{n}.py" for n in range(6)}
    firsts = [copies.first(s) for s in LINES]
    return (
        {line: p for line, p in places.items() if p},
        history.shows(names, name_set),
        [c and c.id for c in firsts],
    )


ROWS = st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=6)


@examples(100)
@given(ROWS, ROWS, st.integers(0, 6))
def test_a_view_sees_its_own_turns_only(
    rows: list[list[int]], others: list[list[int]], at: int
) -> None:
    """Neither a later turn nor another branch of the conversation shows in a view."""
    own, fork = segments(rows), segments([*rows[:at], *others])
    grown = []
    history = History()
    for n in range(1, len(own) + 1):
        history = grown_to(history, own[:n])
        grown.append(history)
    start = grown[min(at, len(grown)) - 1] if at else History()
    branch = grown_to(start, [*own[: start.size], *fork[start.size :]])
    shown(grown[-1])
    for n, view in enumerate(grown, 1):
        assert shown(view) == shown(grown_to(History(), own[:n]))
    alone = grown_to(History(), [*own[: start.size], *fork[start.size :]])
    assert shown(branch) == shown(alone)


def test_a_copy_covers_nothing() -> None:
    """Copies do not share the index; what they do not cover is looked at anew."""
    history = grown_to(History(), segments([[0], [1]]))
    assert history.size == 2
    assert copy.deepcopy(history).size == 0
