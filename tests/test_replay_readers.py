"""Recordings: which lines are read as what, and what is said of those that are not."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.errors import ReplayError, WireError
from tokenthrift.replay import RawLine, raw_lines, recording_of
from tokenthrift.replay.lines import check_readable
from tokenthrift.replay.request import read_request
from tokenthrift.types import Money

if TYPE_CHECKING:
    from pathlib import Path

ASK = {"role": "user", "content": "Which port?"}
ANSWER = {"role": "assistant", "content": "Port 8080."}


def line_of(value: Any, number: int = 1, source: str = "log.jsonl") -> RawLine:
    """A value as a line of a file."""
    return RawLine(source, number, json.dumps(value).encode())


def write(path: Path, *values: Any) -> Path:
    """Write values as lines, gzipped where the name says so; texts as they are."""
    text = "\n".join(v if isinstance(v, str) else json.dumps(v) for v in values)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


# -------------------------------------------------------------------------------------------- lines
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "plain"])
def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path, name: str) -> None:
    """Gzip is told by content, numbers are those of the file."""
    path = write(tmp_path / name, '{"a": 1}', "", "  ", '{"b": 2}')
    found = list(raw_lines(path))
    assert [(line.number, json.loads(line.data)) for line in found] == [
        (1, {"a": 1}),
        (4, {"b": 2}),
    ]
    assert found[-1].position == path.stat().st_size
    assert found[0].where == f"{path}:1"


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_json_file_is_one_value_or_a_list_of_them(tmp_path: Path, name: str) -> None:
    """A list gives an item a line; a single value over several lines is one."""
    items = [{"messages": [ASK]}, {"messages": [ANSWER]}]
    listed = write(tmp_path / name, json.dumps(items, indent=2))
    assert [json.loads(line.data) for line in raw_lines(listed)] == items
    single = write(tmp_path / f"b{name}", json.dumps(items[0], indent=2))
    assert [json.loads(line.data) for line in raw_lines(single)] == items[:1]


def test_a_json_file_that_holds_lines_is_read_as_lines(tmp_path: Path) -> None:
    """What is not one value after all is read line by line."""
    path = write(tmp_path / "a.json", '{"a": 1}', '{"b": 2}')
    assert [line.number for line in raw_lines(path)] == [1, 2]


def test_a_line_that_is_too_long_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Its content is skipped without being kept in memory."""
    path = write(tmp_path / "a.jsonl", '{"a": 1}', "x" * 5_000, '{"b": 2}')
    found = list(raw_lines(path, max_line_bytes=1_000))
    assert [line.problem for line in found] == ["", "the line is longer than 1,000 bytes", ""]
    assert [line.number for line in found] == [1, 2, 3]


def test_a_file_that_is_cut_short_ends_in_a_problem(tmp_path: Path) -> None:
    """The lines before the damage are given, the damage is the last one."""
    whole = gzip.compress("\n".join(json.dumps({"n": n}) for n in range(50_000)).encode())
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    found = list(raw_lines(path))
    assert found[0].problem == ""
    assert found[-1].problem.startswith("the file is damaged here")


def test_files_are_checked_before_anything_starts(tmp_path: Path) -> None:
    """No file, a missing one, and one given twice are refused by name."""
    path = write(tmp_path / "a.jsonl", "{}")
    check_readable([path])
    with pytest.raises(ReplayError, match=r"no recording was given"):
        check_readable([])
    with pytest.raises(ReplayError, match=r"b\.jsonl: cannot be read: No such file"):
        check_readable([path, tmp_path / "b.jsonl"])
    with pytest.raises(ReplayError, match=r"a\.jsonl: given twice"):
        check_readable([path, tmp_path / "." / "a.jsonl"])
    with pytest.raises(ReplayError, match=r"missing: cannot be read"):
        list(raw_lines(tmp_path / "missing"))


# -------------------------------------------------------------------------------------------- forms
def test_a_body_with_a_model_is_one_request_whatever_its_history() -> None:
    """Unknown keys of the body stay in it."""
    found = recording_of(
        line_of({"model": "gpt-4o", "messages": [ASK, ANSWER, ASK], "tools": [], "x": 1})
    )
    assert (found.form, found.model, found.id) == ("body", "gpt-4o", "log.jsonl:1")
    assert found.body["x"] == 1


@pytest.mark.parametrize(
    "record",
    [
        {"id": "c1", "messages": [ASK, ANSWER, ASK]},
        {"id": "c1", "model": "gpt-4o", "messages": [ASK, ANSWER]},
    ],
)
def test_a_record_without_a_model_or_ending_in_an_answer_is_a_conversation(record: Any) -> None:
    """No request to a provider ends with the answer it got."""
    found = recording_of(line_of(record))
    assert (found.form, found.id) == ("conversation", "c1")


def test_a_question_is_appended_unless_a_user_message_holds_it() -> None:
    """The keys of the record are no part of the body."""
    record = {"id": 7, "question": "Which port?", "gold": {}, "meta": {}, "messages": [ANSWER]}
    found = recording_of(line_of(record))
    assert list(found.messages) == [ANSWER, ASK]
    assert set(found.body) == {"messages"}
    assert found.id == "7"
    again = recording_of(line_of({**record, "messages": [ASK, ANSWER]}))
    assert list(again.messages) == [ASK, ANSWER]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_shared_contexts_are_found_next_to_the_file(tmp_path: Path, suffix: str) -> None:
    """A record that names a context gets its messages, then its question."""
    write(
        tmp_path / f"meet.contexts.{suffix}",
        {"context_id": "m1", "messages": [ANSWER]},
        "broken",
        {"other": 1},
    )
    path = str(tmp_path / "meet.jsonl")
    found = recording_of(line_of({"id": "q", "question": "?", "context_id": "m1"}, source=path))
    assert list(found.messages) == [ANSWER, {"role": "user", "content": "?"}]
    with pytest.raises(ReplayError, match=r"meet\.jsonl:1: context 'm2' is not in meet\.contexts"):
        recording_of(line_of({"context_id": "m2"}, source=path))


def test_a_missing_file_of_contexts_is_named() -> None:
    """The message says which file is looked for."""
    with pytest.raises(ReplayError, match=r"there is no log\.contexts\.jsonl\(\.gz\) next to"):
        recording_of(line_of({"context_id": "m1"}))


def test_batch_requests_are_bodies_with_a_custom_id() -> None:
    """Only chat completions are replayed."""
    request = {
        "custom_id": "r-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o-mini", "messages": [ASK], "max_tokens": 5},
    }
    found = recording_of(line_of(request))
    assert (found.form, found.id, found.model) == ("batch", "r-1", "gpt-4o-mini")
    assert found.body["max_tokens"] == 5
    with pytest.raises(ReplayError, match=r"a batch request to /v1/embeddings"):
        recording_of(line_of({**request, "url": "/v1/embeddings"}))


PAYLOAD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "call_type": "acompletion",
    "status": "success",
    "model": "gpt-4o",
    "custom_llm_provider": "azure",
    "messages": [ASK],
    "model_parameters": {"temperature": 0, "tools": [{"type": "function"}]},
    "prompt_tokens": 12,
    "completion_tokens": 34,
    "response_cost": 0.00037,
    "startTime": 1_767_225_600.5,
}


@pytest.mark.parametrize(
    "messages", [[ASK], json.dumps([ASK]), {"messages": [ASK]}], ids=["list", "text", "mapping"]
)
def test_litellm_payloads_bring_usage_cost_time_and_seller(messages: Any) -> None:
    """Messages may be written as JSON text; tools are in the model parameters."""
    found = recording_of(line_of({**PAYLOAD, "messages": messages}))
    assert (found.form, found.model, found.seller) == ("litellm", "gpt-4o", "azure")
    assert list(found.messages) == [ASK]
    assert found.body["tools"] == [{"type": "function"}]
    assert (found.output_tokens, found.reported_input_tokens) == (34, 12)
    assert found.reported_cost == Money(370_000)
    assert found.at_s == 1_767_225_600.5


def test_a_payload_inside_a_callback_event_is_found() -> None:
    """The standard logging object may be nested in what a callback got."""
    assert recording_of(line_of({"standard_logging_object": PAYLOAD})).form == "litellm"


def test_a_text_completion_is_a_user_message() -> None:
    """Its prompt is logged in place of messages."""
    found = recording_of(line_of({**PAYLOAD, "call_type": "text_completion", "messages": "Hi"}))
    assert list(found.messages) == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([1], "expected an object, got a list"),
        ({}, "no request in it: expected 'messages', 'input' or 'body', found keys none"),
        ({"prompt": "x"}, "found keys 'prompt'"),
        ({"messages": {}}, "'messages' must be a list, got an object"),
        ({"messages": []}, "'messages' is empty"),
        ({"messages": "x"}, "'messages' is a text that is not JSON"),
        ({**PAYLOAD, "call_type": "aembedding"}, "a call of type 'aembedding'"),
        ({**PAYLOAD, "status": "failure"}, "the call failed, so nothing was billed"),
        ({**PAYLOAD, "messages": None}, "'messages' must be a list, got nothing"),
        (
            {**PAYLOAD, "messages": [{"role": "user", "content": "redacted-by-litellm"}]},
            "its messages were redacted",
        ),
    ],
)
def test_a_line_that_is_no_recording_says_why_and_where(value: Any, why: str) -> None:
    """The message begins with file and line."""
    with pytest.raises(ReplayError) as caught:
        recording_of(line_of(value, number=9))
    assert str(caught.value).startswith("log.jsonl:9: ")
    assert why in str(caught.value)


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b'{"a": "\xff"}', b"9" * 5_000])
def test_what_is_not_json_is_said_to_be_so(data: bytes) -> None:
    """Deep nesting, bad bytes and endless numbers are no more than bad lines."""
    with pytest.raises(ReplayError, match=r"log\.jsonl:1: (not JSON|expected an object)"):
        recording_of(RawLine("log.jsonl", 1, data))


def test_names_with_lone_surrogates_can_be_stored() -> None:
    """Ids and models are written out; the messages stay what they are."""
    ask = {"role": "user", "content": "\ud800"}
    found = recording_of(line_of({"id": "a\ud800", "model": "m\udfff", "messages": [ask]}))
    assert (found.id, found.model) == ("a\\ud800", "m\\udfff")
    assert found.messages[0]["content"] == "\ud800"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "body",
                    "custom_id",
                    "call_type",
                    "context_id",
                    "question",
                    "id",
                    "role",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_recording_or_a_replay_error(value: Any) -> None:
    """Nothing else is ever raised."""
    try:
        found = recording_of(line_of(value))
    except ReplayError:
        return
    assert found.messages


# -------------------------------------------------------------------------------------- one request
def test_the_last_request_of_a_conversation_is_taken() -> None:
    """Of a conversation that ends with an answer, what the answer was given to."""
    record = {"messages": [ASK, ANSWER, ASK, ANSWER]}
    body = read_request("x", json.dumps(record).encode(), 1, "gpt-4o")
    assert body == {"model": "gpt-4o", "messages": [ASK, ANSWER, ASK]}


def test_a_body_is_taken_as_it_is_from_any_line() -> None:
    """Its own model wins; gzip is told by content."""
    data = gzip.compress(b'{"x": 1}\n{"model": "m", "messages": [{"role": "user"}]}\n')
    assert read_request("x", data, 2, "gpt-4o")["model"] == "m"


@pytest.mark.parametrize(
    ("data", "error", "why"),
    [
        (b"", ReplayError, "x: there is no line 1"),
        (b'{"messages": [{"role": "assistant"}]}', ReplayError, "only assistant messages"),
        (b'{"messages": [{"role": "boss"}]}', WireError, "x:1: messages.0.role: unknown role"),
    ],
)
def test_a_file_without_a_request_says_so(data: bytes, error: type[Exception], why: str) -> None:
    """Empty files, answers alone and unknown roles are told apart."""
    with pytest.raises(error) as caught:
        read_request("x", data, 1, "gpt-4o")
    assert why in str(caught.value)
