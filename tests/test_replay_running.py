"""Whole replays: the same sums whatever the processes, interruptions and repetitions."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tokenthrift.errors import ReplayError
from tokenthrift.ledger import MemoryLedger, open_ledger
from tokenthrift.policy import load_policy
from tokenthrift.replay import Options, Outcome, Progress, replay
from tokenthrift.report import Latencies, Tally
from tokenthrift.report.tally import dumped

NOW = datetime(2026, 1, 31, tzinfo=UTC)
OPTIONS = Options(load_policy("lossless"), NOW)
RECORDING = replace(OPTIONS, keep_records=True)
ROWS = json.dumps([{"id": n, "name": f"item {n}", "price": n * 3} for n in range(30)])

CALL = {"id": "c1", "type": "function", "function": {"name": "list", "arguments": "{}"}}


def record(number: int) -> dict[str, Any]:
    """A conversation of two requests."""
    return {
        "id": f"c{number}",
        "messages": [
            {"role": "user", "content": f"What does item {number} cost?"},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": ROWS},
        ],
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two and a half batches of conversations, with two bad lines among them."""
    lines = [json.dumps(record(n)) for n in range(80)]
    lines[5:5] = ["{broken", '{"messages": 3}']
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sums(outcome: Outcome) -> dict[str, Any]:
    """Everything that does not depend on the clock."""
    return dumped(replace(outcome.tally, latencies=Latencies()))


def test_every_line_is_a_recording_or_a_problem(log: Path) -> None:
    """Nothing is lost, and problems name file and line."""
    found = replay([log], OPTIONS)
    assert found.lines == 82
    assert found.tally.conversations == 80
    assert found.tally.requests == 160
    assert found.tally.unread == {"not JSON": (1,), "'messages' must be a list, got 3": (1,)}
    assert [p.partition(": ")[0] for p in found.problems] == [f"{log}:6", f"{log}:7"]
    assert found.tally.totals.net_nanos > 0


def test_sums_and_records_do_not_depend_on_the_number_of_processes(log: Path) -> None:
    """Records come in the order of the file."""
    ledgers = MemoryLedger(), MemoryLedger()
    one, two = (
        replay([log], RECORDING, workers=n, ledger=ledger)
        for n, ledger in zip((1, 2), ledgers, strict=True)
    )
    assert sums(one) == sums(two)
    assert one.problems == two.problems
    ids = [[r.record_id for r in ledger.records()] for ledger in ledgers]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 160


def test_an_interrupted_replay_goes_on_where_it_stopped(log: Path, tmp_path: Path) -> None:
    """The sums are those of a replay that was not interrupted."""
    state = tmp_path / "state.jsonl"

    def interrupt(progress: Progress) -> None:
        assert progress.lines == 32
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay([log], OPTIONS, state=state, on_progress=interrupt)
    reached: list[Progress] = []
    found = replay([log], OPTIONS, state=state, on_progress=reached.append)
    assert (found.lines, found.resumed_lines) == (82, 32)
    assert sums(found) == sums(replay([log], OPTIONS))
    assert [p.share for p in reached] == sorted(p.share for p in reached)
    assert reached[-1].share == 1.0
    again = replay([log], OPTIONS, state=state)
    assert again.resumed_lines == 82
    assert sums(again) == sums(found)
    assert again.problems == found.problems


def test_half_a_line_of_state_is_passed_over(log: Path, tmp_path: Path) -> None:
    """A kill in the middle of a write costs that batch only."""
    state = tmp_path / "state.jsonl"
    whole = replay([log], OPTIONS, state=state)
    data = state.read_bytes()
    state.write_bytes(data[:-40])
    found = replay([log], OPTIONS, state=state)
    assert found.resumed_lines == 64
    assert sums(found) == sums(whole)
    assert replay([log], OPTIONS, state=state).resumed_lines == 82


def test_another_policy_or_a_changed_line_is_done_again(log: Path, tmp_path: Path) -> None:
    """State is keyed by what decides the result; several policies share a file."""
    state = tmp_path / "state.jsonl"
    replay([log], OPTIONS, state=state)
    other = replace(OPTIONS, policy=load_policy("off"))
    assert replay([log], other, state=state).resumed_lines == 0
    assert replay([log], OPTIONS, state=state).resumed_lines == 82
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record(99)) + "\n")
    assert replay([log], OPTIONS, state=state).resumed_lines == 64


def test_shared_contexts_are_part_of_what_was_done(tmp_path: Path) -> None:
    """A changed context is replayed again, though the lines are the same."""
    state, log = tmp_path / "state", tmp_path / "a.jsonl"
    contexts = tmp_path / "a.contexts.jsonl"
    log.write_text('{"context_id": "m", "question": "Why?"}\n', encoding="utf-8")
    for size in (1, 2):
        messages = [{"role": "system", "content": "x " * size}]
        contexts.write_text(json.dumps({"context_id": "m", "messages": messages}), encoding="utf-8")
        found = replay([log], OPTIONS, state=state)
        assert (found.tally.requests, found.resumed_lines) == (1, 0)


def test_a_file_that_is_no_state_is_not_written_to(log: Path, tmp_path: Path) -> None:
    """Naming the wrong file must not spoil it."""
    other = tmp_path / "notes.txt"
    other.write_text("dear\ndiary\n", encoding="utf-8")
    with pytest.raises(ReplayError, match=r"notes\.txt: not the state of a replay"):
        replay([log], OPTIONS, state=other)
    assert other.read_text(encoding="utf-8") == "dear\ndiary\n"
    with pytest.raises(ReplayError, match=r"cannot keep the state"):
        replay([log], OPTIONS, state=tmp_path)


def test_the_same_replay_twice_writes_each_record_once(log: Path, tmp_path: Path) -> None:
    """Records have the same ids, and the ledger's sums are the replay's."""
    with open_ledger(tmp_path / "calls.db") as ledger:
        first = replay([log], RECORDING, ledger=ledger)
        second = replay([log], RECORDING, ledger=ledger)
        assert (first.records_written, first.records_known) == (160, 0)
        assert (second.records_written, second.records_known) == (0, 160)
        assert ledger.totals() == first.tally.totals


def test_files_are_replayed_in_order(log: Path, tmp_path: Path) -> None:
    """No batch spans two files, so a second file does not change the first one's keys."""
    state, more = tmp_path / "state", tmp_path / "more.json"
    replay([log], OPTIONS, state=state)
    more.write_text(json.dumps([record(1), record(2)]), encoding="utf-8")
    found = replay([log, more], OPTIONS, state=state)
    assert (found.lines, found.resumed_lines) == (84, 82)


def test_tallies_of_parts_add_up_in_any_grouping() -> None:
    """Sums, tables and latencies alike."""
    a = Tally(conversations=1, kinds={"log": (1, 2, 3)}, latencies=Latencies.of([1.0]))
    b = Tally(epochs=2, kinds={"log": (1, 1, 1), "json": (1, 5, 2)})
    c = Tally(latencies=Latencies.of([1.0, 9.0]), failed={"X": (1,)})
    assert (a + b) + c == a + (b + c)
    assert (a + b).kinds == {"log": (2, 3, 4), "json": (1, 5, 2)}
    assert a + Tally() == Tally() + a == a


@pytest.mark.data
@pytest.mark.parametrize("family", ["agent_tau", "json_api", "rag_nq"])
def test_recorded_data_is_replayed_whole(family: str, tmp_path: Path) -> None:
    """The first recordings of a family all give requests, and none costs more tokens."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("TOKENTHRIFT_DATA", root.parent / "shared" / "data"))
    source = folder / "compression" / f"{family}.jsonl.gz"
    if not source.is_file():
        pytest.skip(f"{source} is not there; set TOKENTHRIFT_DATA to the folder of recorded data")
    part = tmp_path / f"{family}.jsonl"
    with gzip.open(source, "rb") as file:
        part.write_bytes(b"".join(file.readline() for _ in range(10)))
    found = replay([part], replace(OPTIONS, policy=load_policy("balanced")))
    assert found.tally.conversations == 10
    assert not found.problems
    assert found.tally.totals.counted_sent_tokens <= found.tally.totals.counted_baseline_tokens
