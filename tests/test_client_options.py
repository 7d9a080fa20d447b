"""Options of one call: off, tags, session, floor."""

from __future__ import annotations

import pytest

from tokenthrift.client.account import Account
from tokenthrift.client.options import PLAIN, CallOptions
from tokenthrift.ledger import MemoryLedger
from tokenthrift.route import Attempt, Outcome
from tokenthrift.types import Usage

TABLE = '[{"id": 1, "state": "ok"}, {"id": 2, "state": "ok"}]' * 200
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Which?\n{TABLE}"}]}


def test_options_are_read_from_what_a_user_writes() -> None:
    """A mapping, options, or nothing."""
    assert CallOptions.of(None) is PLAIN
    made = CallOptions.of({"off": True, "tags": {"user": "u"}, "session": "s", "floor": 0.7})
    assert made == CallOptions(off=True, tags={"user": "u"}, session="s", floor=0.7)
    assert CallOptions.of(made) is made


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("off", TypeError, "mapping"),
        ({"of": True}, ValueError, "'of'"),
        ({"off": "yes"}, TypeError, "'off'"),
        ({"tags": {"a": 1}}, TypeError, "'tags'"),
        ({"tags": ["a"]}, TypeError, "'tags'"),
        ({"session": 3}, TypeError, "'session'"),
        ({"floor": 1.5}, ValueError, "from 0 to 1"),
        ({"floor": "high"}, TypeError, "'floor'"),
    ],
)
def test_wrong_options_say_what_is_wrong(given: object, error: type, words: str) -> None:
    """What, and what is allowed."""
    with pytest.raises(error, match=words):
        CallOptions.of(given)  # type: ignore[arg-type]


def test_a_call_that_is_off_goes_as_it_is_and_is_accounted_with_its_session() -> None:
    """Byte for byte, while the next call of the same body is planned."""
    account = Account("balanced", MemoryLedger())
    off = account.begin(BODY, options=CallOptions(off=True, session="s", tags={"user": "u"}))
    assert off.plan is not None
    assert off.body_for("gpt-4o-mini", add_usage=False) is BODY
    usage = Usage(input_tokens=100, output_tokens=5)
    answer = Outcome(Attempt("gpt-4o-mini", 1, ""), response=object(), usage=usage, latency_ms=1)
    record = account.settle(off, [answer])
    assert (record.session, record.tags, record.status) == ("s", {"user": "u"}, "ok")
    planned = account.begin(BODY)
    assert planned.plan is not None
    assert planned.plan.tokens_after < planned.plan.tokens_before
