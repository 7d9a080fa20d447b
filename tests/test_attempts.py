"""The cascade as a generator: waits, retries, fallbacks and escalations, in order and in bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routes import CATALOG, asked, oracle, rules
from tokenthrift.route import Attempt, Outcome, Result, Retry, Routing, Wait, cascade, choose
from tokenthrift.transports import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable

THREE = rules("large", "medium", "small", floor=0.5)
BUSY = TimeoutError("busy")


def run(
    answers: Callable[[Attempt], dict[str, Any]], routing: Routing = THREE, **more: Any
) -> tuple[Result, list[float]]:
    """Run a cascade where each attempt goes as told; gives the result and the waits."""
    decision = choose(asked(), 10, routing, CATALOG, forecaster=oracle())
    steps = cascade(decision, **more)
    waits: list[float] = []
    step = next(steps)
    try:
        while True:
            if isinstance(step, Wait):
                waits.append(step.seconds)
                step = steps.send(None)
            else:
                given_ = {"response": step.model, "latency_ms": 1_000.0} | answers(step)
                if given_.get("error") is not None:
                    given_ |= {"response": None}
                step = steps.send(Outcome(step, **given_))
    except StopIteration as stop:
        result: Result = stop.value
        return result, waits


def models(result: Result) -> list[str]:
    """Where the attempts went."""
    return [o.attempt.model for o in result.outcomes]


def test_the_same_model_is_tried_again_before_another() -> None:
    """Each wait is at most twice the last, drawn in full; then comes the next model, afresh."""
    retry = Retry(times=2, base_s=1)
    fails = {"error": BUSY, "retryable": True}
    result, waits = run(lambda _: fails, max_attempts=7, retry=retry, draw=lambda: 0.5)
    assert models(result) == ["small"] * 3 + ["medium"] * 3 + ["large"]
    assert waits == [0.5, 1.0, 0.5, 1.0]
    assert result.outcomes[1].attempt.reason == "retry 1: TimeoutError"
    assert result.outcomes[3].attempt.reason == "fallback: small failed with TimeoutError"


def test_a_provider_is_waited_for_as_it_asks_within_bounds() -> None:
    """Retry-After is the least wait; one that is too long, or too late, goes on elsewhere."""
    retry = Retry(times=3, base_s=1, max_wait_s=10, max_s=12)

    def asks(seconds: float) -> Callable[[Attempt], dict[str, Any]]:
        return lambda a: (
            {"error": BUSY, "retryable": True, "retry_after_s": seconds}
            if a.model == "small"
            else {}
        )

    result, waits = run(asks(4), max_attempts=6, retry=retry, draw=lambda: 0.0)
    assert (waits, models(result)) == ([4, 4], ["small"] * 3 + ["medium"])
    result, waits = run(asks(60), max_attempts=6, retry=retry)
    assert (waits, models(result)) == ([], ["small", "medium"])


def test_an_answer_that_fails_a_check_goes_to_the_next_stronger() -> None:
    """Escalation climbs by ability, cheapest first, and keeps what it rejected."""
    result, _ = run(lambda a: {"objection": "schema: bad"} if a.model == "small" else {})
    assert models(result) == ["small", "medium"]
    assert result.outcomes[1].attempt.reason == "escalated: small failed the check schema: bad"
    assert result.final.response == "medium"


def test_where_none_is_stronger_the_answer_stands() -> None:
    """A rejected answer is better than none: it is handed out when all else failed."""
    result, _ = run(lambda _: {"objection": "empty: x"}, max_attempts=9)
    assert models(result) == ["small", "medium", "large"]
    assert result.response() == "large"

    def then_fails(attempt: Attempt) -> dict[str, Any]:
        if attempt.model == "small":
            return {"objection": "empty: x"}
        return {"error": BUSY, "retryable": True}

    result, _ = run(then_fails)
    assert models(result) == ["small", "medium", "large"]
    assert result.response() == "small"
    assert result.final.objection


def test_more_effort_on_the_same_model_is_an_escalation() -> None:
    """The same model with more effort is tried before a dearer one."""
    listed = {"model": "medium", "efforts": ["low", "high"]}
    routing = rules(listed, "large", floor=0.5)
    told = oracle({"medium": 0.7, "large": 0.95}, output=10, gain=0.05)
    decision = choose(asked(), 10, routing, CATALOG, forecaster=told)
    steps = cascade(decision)
    first = next(steps)
    assert isinstance(first, Attempt)
    second = steps.send(Outcome(first, "x", objection="code: bad"))
    assert isinstance(second, Attempt)
    assert (str(first.effort), second.model, str(second.effort)) == ("low", "medium", "high")


WAYS = st.sampled_from(["ok", "busy", "broken", "poor"])


@given(st.lists(WAYS, min_size=12, max_size=12), st.integers(1, 8), st.integers(0, 3))
def test_attempts_are_bounded_and_none_is_lost(ways: list[str], limit: int, times: int) -> None:
    """Numbers rise by one, nothing follows a good answer, and no answer is lost to an error."""
    errors = {
        "busy": {"error": BUSY, "retryable": True},
        "broken": {"error": PermissionError("no")},
        "poor": {"objection": "empty: x"},
        "ok": {},
    }
    retry = Retry(times=times, base_s=1, max_s=5)
    result, waits = run(
        lambda a: errors[ways[a.number - 1]], max_attempts=limit, retry=retry, draw=lambda: 0.9
    )
    made = [ways[o.attempt.number - 1] for o in result.outcomes]
    assert [o.attempt.number for o in result.outcomes] == list(range(1, len(made) + 1))
    assert len(made) <= limit
    assert not {"ok", "broken"} & set(made[:-1])
    assert sum(waits) <= retry.max_s
    if {"ok", "poor"} & set(made):
        assert result.final.ok
        assert bool(result.final.objection) == ("ok" not in made)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Tue, 01 Dec 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Tue, 01 Dec 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_spellings(
    headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds, milliseconds or a date; nonsense is no wish."""
    error = RuntimeError("429")
    error.response = httpx.Response(429, headers=headers)  # type: ignore[attr-defined]
    assert retry_after_s(error, datetime(2026, 12, 1, 12, tzinfo=UTC)) == seconds
    assert retry_after_s(RuntimeError("no response"), datetime.now(UTC)) is None
