"""Arms: sticky, the same everywhere, monotone in the rollout, and as many as the policy says."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import conversations, examples
from tokenthrift import wire
from tokenthrift.errors import PolicyError
from tokenthrift.experiment import Holdout, session_key
from tokenthrift.policy import load_policy

shares = st.floats(0.001, 1.0)
keys = st.text(min_size=1)


@given(keys, shares, st.floats(0, 0.9))
def test_an_arm_is_the_sessions_own(key: str, rollout: float, share: float) -> None:
    """Two policies that say the same draw the same; the probability is the one that is stated."""
    given_, again = (Holdout(rollout=rollout, share=share) for _ in range(2))
    found = given_.assign(key)
    assert found == again.assign(key)
    if found is not None:
        assert found.treated_share == min(rollout, 1 - share)
        assert found.arm in ("treated", "holdout", "off")


@given(keys, shares, shares, st.floats(0, 0.9))
def test_a_growing_rollout_takes_no_session_back(
    key: str, one: float, other: float, share: float
) -> None:
    """Who is treated stays treated, and who is held out stays held out."""
    small, large = sorted((one, other))
    before = Holdout(rollout=small, share=share).assign(key)
    after = Holdout(rollout=large, share=share).assign(key)
    if before is None or after is None:
        return
    if before.arm == "treated":
        assert after.arm == "treated"
    assert (before.arm == "holdout") == (after.arm == "holdout") or before.arm == "treated"
    assert not (before.arm == "holdout" and after.arm != "holdout")


@given(keys, keys, st.floats(0.05, 0.5))
def test_a_larger_holdout_only_takes_more(key: str, salt: str, share: float) -> None:
    """Who is held out of a small share is held out of a larger one."""
    few, many = Holdout(share=share / 2, salt=salt), Holdout(share=share, salt=salt)
    one, other = few.assign(key), many.assign(key)
    assert one is not None
    assert other is not None
    assert not (one.arm == "holdout" and other.arm != "holdout")


@pytest.mark.parametrize("rollout", ["off", "shadow"])
@given(key=keys, share=st.floats(0, 0.9))
def test_before_anything_is_treated_all_are_alike(key: str, share: float, rollout: Any) -> None:
    """``off`` and ``shadow`` hold for every session, held out or not."""
    found = Holdout(rollout=rollout, share=share).assign(key)
    assert found is not None
    assert (found.arm, found.treated_share, found.is_random) == (rollout, 0.0, False)


@given(keys)
def test_a_policy_that_draws_nothing_assigns_nothing(key: str) -> None:
    """Without a holdout and a rollout calls have no arm; a stop treats none."""
    assert Holdout().assign(key) is None
    stopped = Holdout(share=0.1).assign(key, stopped=True)
    assert stopped is not None
    assert (stopped.arm, stopped.treated_share) == ("off", 0.0)


@given(st.text(max_size=8), st.floats(0.02, 0.5), st.floats(0.02, 0.5))
@examples(30)
def test_as_many_are_drawn_as_stated(salt: str, share: float, rollout: float) -> None:
    """Of 4,000 sessions as many are in each arm as a binomial allows within six sigma."""
    holdout, sessions = Holdout(share=share, rollout=rollout, salt=salt), 4_000
    arms = [found.arm for n in range(sessions) if (found := holdout.assign(f"s{n}")) is not None]
    for arm, p in (("treated", min(rollout, 1 - share)), ("holdout", share)):
        spread = (sessions * p * (1 - p)) ** 0.5
        assert abs(arms.count(arm) - sessions * p) <= 6 * spread + 1


PROGRAM = """
from tokenthrift import wire
from tokenthrift.experiment import Holdout, session_key
body = {"model": "m", "messages": [
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?"}]}
key = session_key(wire.read(body), None, {})
print(key, [Holdout(share=0.3, rollout=0.5).assign(f"{key}{n}").arm for n in range(50)])
"""


def test_arms_are_the_same_on_every_hash_seed() -> None:
    """Two processes with different hash seeds agree on keys and arms."""
    found = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


@given(conversations())
@examples(60)
def test_all_turns_of_a_conversation_are_one_session(body: dict[str, Any]) -> None:
    """Cut at any answer, a conversation has the key of the whole."""
    request = wire.read(body)
    key = session_key(request, None, {})
    first = next((n for n, m in enumerate(body["messages"]) if m["role"] == "user"), None)
    if first is None:
        return
    for end in range(first + 1, len(body["messages"]) + 1):
        cut = wire.read({**body, "messages": body["messages"][:end]})
        assert session_key(cut, None, {}) == key


def test_a_session_is_named_by_its_caller_first() -> None:
    """The option, then the tag, then the beginning, wherever cache marks stand; never a text."""
    text = {"type": "text", "text": "Which of them?"}
    plain = wire.read({"model": "m", "messages": [{"role": "user", "content": [text]}]})
    marked = {**text, "cache_control": {"type": "ephemeral"}}
    same = wire.read({"model": "m", "messages": [{"role": "user", "content": [marked]}]})
    other = wire.read({"model": "m", "messages": [{"role": "user", "content": "Which, then?"}]})
    assert session_key(plain, "a", {"session": "b"}) == "a"
    assert session_key(plain, None, {"session": "b"}) == "b"
    key = session_key(plain, None, {})
    assert key == session_key(same, None, {}) != session_key(other, None, {})
    assert key is not None
    assert "Which" not in key
    assert session_key(None, None, {}) is None


@pytest.mark.parametrize(
    ("written", "rollout"),
    [(False, "off"), ("off", "off"), ("shadow", "shadow"), ("5%", 0.05), ("5 %", 0.05), (1, 1.0)],
)
def test_a_rollout_is_read_as_people_write_it(written: Any, rollout: Any) -> None:
    """YAML's bare ``off`` is false; shares may be per cent."""
    assert load_policy({"holdout": {"rollout": written}}).holdout.rollout == rollout


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"rollout": "half"}, "rollout"),
        ({"rollout": 0}, "rollout"),
        ({"rollout": "120%"}, "rollout"),
        ({"share": 1}, "share"),
        ({"on_harm": "ignore"}, "on_harm"),
        ({"shares": 0.1}, "shares"),
    ],
)
def test_a_wrong_holdout_says_where(section: dict[str, Any], where: str) -> None:
    """The key is named."""
    with pytest.raises(PolicyError, match=where):
        load_policy({"holdout": section})


def test_who_is_treated_is_no_part_of_the_treatment() -> None:
    """A policy has one digest in all steps of its rollout."""
    steps: list[dict[str, Any]] = [{}, {"rollout": "shadow"}, {"rollout": 0.05, "share": 0.05}]
    assert len({load_policy({"holdout": step}).digest for step in steps}) == 1
