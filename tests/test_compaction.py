"""When the past is compressed again for its price, and what is left of old results then."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress.paying import STEP, CachePrices, bargain, crosses
from tokenthrift.pipeline import Plan, plan

CLAUDE = CachePrices(read=0.1, write=1.25)
PRICED: dict[str, Any] = {
    "stages": [{"stage": "json"}, {"stage": "digest", "keep_turns": 2}, {"stage": "select"}],
    "compaction": {"priced": True, "least_tokens": 4_000, "to_share": 0.6},
    "on_stage_error": "raise",
}


def chat(turns: int) -> list[dict[str, Any]]:
    """A loop that reads a file in each turn; every file names something of its own."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Why does the export fail?"}]
    for n in range(turns):
        arguments = f'{{"path": "src/part_{n}.py"}}'
        call = {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": "f", "arguments": arguments},
        }
        lines = [f"    value = value + {n * 31 + i}  # and so on for a while" for i in range(60)]
        lines[30] = f"    raise ExportError_{n}(self.report_path_{n})"
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": "\n".join(lines)},
        ]
    return messages


def planned(turns: int, model: str = "claude-sonnet-4-5", **more: Any) -> Plan:
    """The plan of a request in that chat."""
    return plan({"model": model, "messages": chat(turns)}, {**PRICED, **more})


@examples(200)
@given(st.integers(1, 200_000), st.integers(1, 200_000), st.floats(0, 200), st.floats(0.1, 0.9))
def test_a_bargain_is_the_difference_of_two_bills(
    cached: int, tokens: int, turns: float, share: float
) -> None:
    """It pays where all requests together cost less with the compaction than without."""
    compacted = int(share * tokens)
    found = bargain(cached, tokens, compacted, turns, CLAUDE)
    old = min(cached, tokens)
    without = 0.1 * old + 1.25 * (tokens - old) + turns * 0.1 * tokens
    with_it = 1.25 * compacted + turns * 0.1 * compacted
    if abs(without - with_it) > 1e-6 * (without + with_it):
        assert found.pays == (with_it < without)


def test_without_a_cache_less_is_always_cheaper() -> None:
    """Nothing is lost where nothing was cached."""
    assert bargain(9_000, 10_000, 9_999, 0, CachePrices()).pays


@examples(200)
@given(st.lists(st.integers(0, 4_000), max_size=60))
def test_a_growing_request_is_looked_at_seldom(steps: list[int]) -> None:
    """Once for each factor that it grows by, whatever the steps."""
    size, looks = 0, 0
    for step in steps:
        looks += crosses(size, size + step, 1_000)
        size += step
    most = 0
    at = 1_000.0
    while at < size:
        at *= STEP
        most += 1
    assert looks <= most


def test_the_past_is_compacted_once_enough_requests_are_expected() -> None:
    """Not at first; later, with a note of what it costs and saves."""
    assert planned(5).epoch == 0
    later = planned(60)
    assert later.epoch > 0
    notes = [text for s in later.trace if s.stage == "compact" for _, text in s.notes]
    assert all("uncached tokens now and saves" in note for note in notes)
    assert later.tokens_after < 0.7 * later.tokens_before


def test_nothing_is_compacted_for_a_price_that_is_not_known() -> None:
    """A model without a card has no price, and a guess could cost money."""
    assert planned(60, model="a-model-of-our-own").epoch == 0


def test_a_digest_names_what_an_old_result_named() -> None:
    """Old results shrink to edges, errors and names; the newest are left to the other stages."""
    sent = planned(60).body["messages"]
    old, new = sent[2]["content"], sent[-1]["content"]
    assert old.startswith("[digest of ")
    assert "raise ExportError_0(self.report_path_0)" in old
    assert len(old) < len(chat(1)[2]["content"]) / 4
    assert not new.startswith("[digest of ")


def test_a_digest_can_be_had_back() -> None:
    """The id in its head is the address of the whole text."""
    made = planned(60)
    old = made.body["messages"][2]["content"]
    address = old.split("recall ")[1].split("]")[0]
    assert made.omitted[address] == (chat(1)[2]["content"],)


def test_outside_of_compactions_nothing_is_digested() -> None:
    """A turn is never sent as a digest when it is new."""
    assert all("[digest of" not in str(m["content"]) for m in planned(5).body["messages"])
