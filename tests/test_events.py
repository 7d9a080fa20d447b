"""Events of logs: what varies is masked or merged, and one line of each comes first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress.events import OTHER_MASK, VARIANTS, events_of

USERS = ("ann", "bob", "cyd", "dan", "eve")

LINES = [f"{a} {b} {c}" for a in "abcde" for b in USERS for c in "12x"]


def with_an_order(lines: list[str]) -> st.SearchStrategy[tuple[list[str], list[int]]]:
    """Lines with an order of their places."""
    return st.tuples(st.just(lines), st.permutations(range(len(lines))))


def partition(numbers: list[int], order: list[int]) -> set[frozenset[int]]:
    """Lines by number, as sets of their places before they were reordered."""
    sets: dict[int, set[int]] = {}
    for place, number in zip(order, numbers, strict=True):
        sets.setdefault(number, set()).add(place)
    return {frozenset(s) for s in sets.values()}


def test_values_are_masked() -> None:
    """Digits, paths, values behind an equals sign and quoted text make no other event."""
    lines = [
        "10:01:02 open /srv/a.log by uid=ann 'x'",
        "10:02:09 open /var/b.log by uid=bob 'y z'",
        "10:02:09 close /var/b.log by uid=bob 'y z'",
    ]
    assert events_of(lines).masks.tolist() == [0, 0, 1]


def test_words_that_vary_are_merged() -> None:
    """A word in whose place many others stand is a value; fewer than that are events."""
    lines = [f"session opened for {user}" for user in USERS[:VARIANTS]]
    told = events_of([*lines, "session closed for ann", "disk is full"])
    assert told.events.tolist() == [0] * VARIANTS + [1, 2]
    assert len(set(told.masks.tolist())) == VARIANTS + 2
    assert len(set(events_of(lines[: VARIANTS - 1]).events.tolist())) == VARIANTS - 1


def test_two_words_that_vary_are_merged() -> None:
    """Places that vary together are found one after the other."""
    lines = [f"{user} sent mail to {other}" for user in USERS for other in USERS if user != other]
    assert set(events_of(lines).events.tolist()) == {0}


@examples(80)
@given(
    st.lists(st.sampled_from([f"{a} {b} {c}" for a in "abcde" for b in USERS for c in "12x"])),
    st.randoms(),
)
def test_the_order_of_lines_does_not_matter(
    lines: list[str], random: np.random.RandomState
) -> None:
    """Shuffled lines fall into the same events."""
    order = list(range(len(lines)))
    random.shuffle(order)
    shuffled = events_of([lines[n] for n in order])
    plain = events_of(lines)
    assert partition(shuffled.events.tolist(), order) == partition(
        plain.events.tolist(), list(range(len(lines)))
    )


def test_one_line_of_each_event_adds() -> None:
    """The best line of an event adds all, that of another mask of it a part, repeats nothing."""
    lines = [f"opened for {user}" for user in USERS] * 2 + ["disk is full"]
    values = np.linspace(1, 2, len(lines)).astype(np.float32)
    adds = events_of(lines).first_told(values, np.full(len(lines), 5))
    expected = [0.0] * 5 + [OTHER_MASK] * 4 + [1.0, 1.0]
    assert np.allclose(adds, expected)
    assert events_of([]).first_told(np.zeros(0, np.float32), np.zeros(0, np.int64)).tolist() == []
