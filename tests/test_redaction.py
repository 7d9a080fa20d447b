"""Redaction: secrets are found, go out as placeholders only, and nothing else is touched."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from made_secrets import ALNUM, MADE, drawn, made, private_key, token
from strategies import PNG, SEEDS, chat_bodies, conversations, examples, resent
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Memo
from tokenthrift.compress.detectors import load_detector
from tokenthrift.compress.redaction import PLACEHOLDER
from tokenthrift.errors import MissingExtraError, PolicyError
from tokenthrift.pipeline import Plan, plan
from tokenthrift.policy import load_policy
from tokenthrift.report import explain, plan_view

CATALOG = load_catalog()
PLAIN: Final = load_policy({"redact": {}})
TIGHT: Final = load_policy(
    {
        "redact": {},
        "floor_tokens": 20,
        "tools": {"compact": True},
        "stages": [
            {"stage": "json"},
            {"stage": "dedupe", "min_tokens": 16},
            {"stage": "select", "keep": 0.3, "min_tokens": 40, "roles": ["tool", "user"]},
        ],
    }
)
DATA = Path(os.environ.get("TOKENTHRIFT_DATA", "")) / "compression"
KEY, KEY_TEXT = made("github", 0)


def planned(body: dict[str, Any], policy: Any = PLAIN, **more: Any) -> Plan:
    """A plan with the bundled cards."""
    return plan(body, policy, catalog=CATALOG, **more)


def said(*texts: str, **more: Any) -> dict[str, Any]:
    """A conversation of alternating user and assistant texts."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    return {"model": "gpt-4o", "messages": messages, **more}


def contents(made: Plan) -> list[str]:
    """Texts of the messages as they are sent."""
    return [m["content"] for m in made.body["messages"]]


def restored(made: Plan) -> Any:
    """What is sent, with every placeholder's secret in its place."""

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda m: made.secrets.get(m[0], m[0]), value)
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else value

    return walk(made.body)


# ------------------------------------------------------------------------------------ what is found
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", MADE)
def test_secrets_are_found(kind: str, seed: int) -> None:
    """Keys by their look, passwords by their name, wherever they stand in a text."""
    secret, text = made(kind, seed)
    filler = "The service came up at noon and nothing else was changed.\n"
    for around in (text, f"{filler}{text}\n{filler}"):
        made_plan = planned(said(around))
        (sent,) = contents(made_plan)
        assert secret not in sent
        assert made_plan.secrets == {"[secret-1]": secret}
        assert sent == around.replace(secret, "[secret-1]")


@pytest.mark.parametrize(
    "kind", ["PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
def test_private_keys_are_found_whole_and_cut_off(kind: str) -> None:
    """As a block, inside JSON, and where the end of it is missing."""
    block = private_key(random.Random(kind), kind)
    for text in (block, json.dumps({"key": block}), block[:500]):
        (sent,) = contents(planned(said(text)))
        assert not re.search(r"[A-Za-z0-9+/]{40}", sent)


NO_SECRETS: Final = {
    "commits": "\n".join(f"{random.Random(n).randbytes(20).hex()} fix {n}" for n in range(40)),
    "uuids": json.dumps([{"id": f"{n:08x}-4bcd-4e12-9f34-56789abcdef0"} for n in range(40)]),
    "lock file": "\n".join(
        f'"integrity": "sha512-{drawn(random.Random(n), ALNUM + "+/", 86)}==",' for n in range(40)
    ),
    "hashes": "\n".join(f"--hash=sha256:{random.Random(n).randbytes(32).hex()}" for n in range(40)),
    "image": PNG,
    "docker": f"FROM python@sha256:{random.Random(1).randbytes(32).hex()}",
    "code": """
def login(password: str, token=None, api_key: str | None = None):
    password = os.environ["DB_PASSWORD"]
    secret_key = get_secret("prod/db/password1")
    headers = {"Authorization": "Bearer " + token, "X-Api-Key": api_key}
    if password == 'password': raise ValueError("password: too short")
    client_secret = settings.CLIENT_SECRET_2
    auth_token = "your-token-here-1234567890"
""",
    "settings": "password: ${DB_PASSWORD}\ntoken: {{ .Values.token }}\napi_key: <your-key-1234>\n",
    "prose": "The password must be 12 characters long. Secret: never tell it. token: see below",
    "page": "next_page_token=CAUQAA&key=name; csrf: none; pwd: /home/ann/src; user@host:~/x",
    "public key": "ssh-rsa AAAAB3NzaC1yc2E" + drawn(random.Random(2), ALNUM + "+/", 300),
}


@pytest.mark.parametrize("kind", NO_SECRETS)
def test_what_only_looks_random_stays(kind: str) -> None:
    """Hashes, ids, images, variables and templates are no secrets."""
    body = said(NO_SECRETS[kind])
    assert planned(body).body is body


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded data is not there")
@pytest.mark.parametrize("family", ["agent_tau", "agent_swe", "agent_long"])
def test_recorded_agents_have_no_false_alarms(family: str) -> None:
    """Nothing is found in the recorded conversations, in which there are no keys."""
    detect = load_detector("medium", (), ())
    found = []
    with gzip.open(DATA / f"{family}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            for message in json.loads(line)["messages"]:
                calls = [c["function"]["arguments"] for c in message.get("tool_calls") or ()]
                for text in (message.get("content") or "", *calls):
                    found += detect(text)
    assert found == []


def test_own_patterns_and_exceptions() -> None:
    """Patterns find what nobody else knows, by their first group; what is allowed stays."""
    policy = {"redact": {"patterns": {"badge": r"badge (\d{5})|EMP-\d{6}"}, "allow": ["EMP-0+"]}}
    made_plan = planned(said("badge 12345, EMP-123456 and EMP-000000"), policy)
    assert contents(made_plan) == ["badge [secret-1], [secret-2] and EMP-000000"]
    assert made_plan.trace[0].notes == (("", "badge: 2 in 2 places"),)
    allowed = planned(said(KEY_TEXT), {"redact": {"allow": [r"ghp_\w+"]}})
    assert allowed.secrets == {}


def test_no_pattern_can_take_forever() -> None:
    """A pattern that other engines never finish with is linear here."""
    policy = {"redact": {"patterns": {"slow": r"(a+)+b"}}}
    body = said("a" * 200_000)
    assert planned(body, policy).body is body


@pytest.mark.parametrize("pattern", ["(?=x)", r"(a)\1", "("])
def test_patterns_that_cannot_be_linear_are_refused(pattern: str) -> None:
    """The policy says which pattern it is, and why."""
    with pytest.raises(PolicyError, match="RE2 does not take"):
        load_policy({"redact": {"patterns": {"x": pattern}}})


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries nothing goes out; the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "kingfisher_sdk", None)
    load_detector.cache_clear()
    from tokenthrift.compress.detectors import _catalogue

    _catalogue.cache_clear()
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[redact\]"):
        planned(said("hi"))


# ------------------------------------------------------------------------------------- placeholders
def test_placeholders_are_numbered_by_first_appearance() -> None:
    """The same secret has the same number wherever it stands, also where nothing gives it away."""
    other, text = made("password", 1)
    made_plan = planned(said(f"{KEY_TEXT}\n{text}", "ok", f"try {other}, then {KEY}"))
    assert list(made_plan.secrets.items()) == [("[secret-1]", KEY), ("[secret-2]", other)]
    assert contents(made_plan)[2] == "try [secret-2], then [secret-1]"


def test_what_was_sent_before_it_was_known_stays() -> None:
    """A later turn must not change an earlier one; inside a turn all is known at once."""
    secret, text = made("password", 2)
    assert contents(planned(said(f"use {secret}", "ok", text)))[0] == f"use {secret}"
    both = {"messages": [{"role": "user", "content": f"use {secret}"}, *said(text)["messages"]]}
    assert contents(planned(both))[0] == "use [secret-1]"


def test_what_looks_like_a_placeholder_is_not_mistaken() -> None:
    """Numbers that somebody wrote are not given; one that was given already is itself replaced."""
    first = planned(said(f"What is [secret-1]? {KEY_TEXT}"))
    assert list(first.secrets) == ["[secret-2]"]
    later = planned(said(KEY_TEXT, "ok", "What is [secret-1] and [secret-7]?"))
    assert later.secrets == {"[secret-1]": KEY, "[secret-2]": "[secret-1]"}
    assert contents(later)[2] == "What is [secret-2] and [secret-7]?"


def test_a_secret_has_one_number_in_text_and_in_json() -> None:
    """Escapes are a spelling; what stands for the secret is its own value."""
    secret = 'a"b\\c99\tü'
    arguments = json.dumps({"password": secret})
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    body = said(f"It is {secret}, ok?")
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": json.dumps({"password": secret})},
        {"role": "assistant", "content": "Good."},
        {"role": "user", "content": f"Again: {secret}"},
    ]
    made_plan = planned(body)
    assert made_plan.secrets == {"[secret-1]": secret}
    sent = made_plan.body["messages"]
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"password": "[secret-1]"}'
    assert json.loads(sent[2]["content"]) == {"password": "[secret-1]"}
    assert sent[4]["content"] == "Again: [secret-1]"


def test_short_secrets_are_replaced_as_whole_words() -> None:
    """A weak password must not tear other words apart."""
    (sent,) = contents(planned(said('password = "cat123"; concat1234; cat123.')))
    assert sent == 'password = "[secret-1]"; concat1234; [secret-1].'


# --------------------------------------------------------------------------------------- everywhere
def test_every_text_is_redacted_and_nothing_else() -> None:
    """Schemas, system text, parts, arguments, refusals; not names, ids, media or signed items."""
    key = {n: made("github", n)[0] for n in range(1, 12)}
    image = {"type": "image_url", "image_url": {"url": f"https://x.org/i?k={key[1]}"}}
    function = {"name": "f", "description": f"Use {key[2]}.", "parameters": {"default": key[3]}}
    call = {"id": key[4], "type": "function", "function": {"name": "f", "arguments": f'"{key[5]}"'}}
    body = {
        "model": "gpt-4o",
        "tools": [{"type": "function", "function": function}],
        "response_format": {"type": "json_schema", "json_schema": {"description": key[6]}},
        "prediction": {"type": "content", "content": key[7]},
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": key[8], "cache_control": {}}]},
            {"role": "user", "content": [{"type": "text", "text": key[9]}, image]},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": key[10], "signature": "s"}],
                "reasoning_content": key[11],
                "tool_calls": [call],
            },
            {"role": "tool", "tool_call_id": key[4], "content": KEY},
        ],
    }
    before = deepcopy(body)
    made_plan = planned(body)
    assert body == before
    assert restored(made_plan) == before
    sent = json.dumps(made_plan.body)
    assert {n for n, value in key.items() if value in sent} == {1, 4, 10}
    assert KEY not in sent
    assert len(made_plan.secrets) == 9


@examples(40)
@given(body=chat_bodies(), seed=SEEDS, policy=st.sampled_from([PLAIN, TIGHT]))
def test_any_body_can_be_redacted(body: dict[str, Any], seed: int, policy: Any) -> None:
    """Proper or odd, what had no secrets is sent as without redaction; figures add up."""
    made_plan = planned(body, policy)
    if not made_plan.secrets:
        plain = planned(body, policy.model_copy(update={"redact": None}))
        assert made_plan.body == plain.body
    taken = sum(s.tokens_before - s.tokens_after for s in made_plan.trace)
    if made_plan.epoch == 0:
        assert taken == made_plan.tokens_before - made_plan.tokens_after


def with_secrets(body: dict[str, Any], rng: random.Random) -> list[str]:
    """Put secrets into texts of a conversation, in place; gives them back."""
    put = []
    for message in body["messages"]:
        if isinstance(message.get("content"), str) and rng.random() < 0.6:
            secret, text = made(rng.choice(list(MADE)), rng.randrange(5))
            lines = message["content"].split("\n")
            lines.insert(rng.randrange(len(lines) + 1), text)
            message["content"] = "\n".join(lines)
            put.append(secret)
    return put


@examples(40)
@given(body=conversations(max_turns=4, max_lines=40), seed=SEEDS)
def test_no_secret_leaves_and_all_come_back(body: dict[str, Any], seed: int) -> None:
    """Whatever stages do, no secret is sent or kept; without stages all of it comes back."""
    secrets = with_secrets(body, random.Random(seed))
    made_plan = planned(body, TIGHT)
    sent = json.dumps(made_plan.body, ensure_ascii=False)
    kept = json.dumps(list(made_plan.omitted.values()), ensure_ascii=False)
    shown = json.dumps(explain(made_plan, CATALOG).as_json(), ensure_ascii=False, default=str)
    trace = repr(made_plan.trace)
    for secret in secrets:
        for text in (sent, kept, shown, trace):
            assert secret.split("\n")[-1] not in text or "\n" in secret
            assert secret not in text
    assert restored(planned(body)) == body


@examples(30)
@given(body=conversations(max_turns=4, max_lines=30), seed=SEEDS)
def test_redaction_is_append_only(body: dict[str, Any], seed: int) -> None:
    """What was sent before is a prefix of what is sent now, with a memo or without."""
    with_secrets(body, random.Random(seed))
    memo = Memo()
    plans = [planned(cut, TIGHT, memo=memo) for cut in resent(body)]
    for shorter, longer in pairwise(plans):
        before = shorter.body["messages"]
        assert longer.body["messages"][: len(before)] == before
        assert shorter.secrets.items() <= longer.secrets.items()
    assert plans[-1].body == planned(body, TIGHT).body


def test_halves_of_characters_do_not_matter() -> None:
    """Texts that are no proper Unicode are searched like others, and kept as they are."""
    (sent,) = contents(planned(said(f"\ud800 {KEY} \udfff")))
    assert sent == "\ud800 [secret-1] \udfff"


# -------------------------------------------------------------------------------------------- shown
def test_a_plan_says_how_many_of_which_kind() -> None:
    """As text and as data, never the values; a placeholder may cost more than a short secret."""
    jwt = token(random.Random(5))
    made_plan = planned(said(f'{KEY_TEXT} {jwt}\npassword = "cat123"', "ok", f"and {KEY}"))
    notes = ["github-pat: 1 in 2 places", "jwt: 1 in 1 place", "password: 1 in 1 place"]
    explained = explain(made_plan, CATALOG)
    assert sorted(explained.secrets) == notes
    assert explained.stages[0].stage == "redact"
    assert explained.tokens_before - explained.tokens_after == explained.stages[0].tokens_saved
    text = plan_text(made_plan)
    assert "secrets: github-pat: 1 in 2 places" in text
    for secret in (KEY, jwt, "cat123"):
        assert secret not in text
        assert secret not in repr(made_plan.redacted.secrets.keys())
    assert "secrets: no secret was found" in plan_text(planned(said("hi")))


def plan_text(made_plan: Plan) -> str:
    """A plan as it is printed."""
    out = io.StringIO()
    Console(width=200, file=out).print(plan_view(explain(made_plan, CATALOG)))
    return out.getvalue()


def test_every_text_of_other_wires_is_redacted_and_nothing_else() -> None:
    """System text, calls, results and documents; not ids, signed or sealed items."""
    key = {n: made("github", n)[0] for n in range(1, 9)}
    call = {"type": "tool_use", "id": key[1], "name": "f", "input": {"deep": [key[2]]}}
    document = {"type": "text", "media_type": "text/plain", "data": key[3]}
    messages = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 9,
        "system": [{"type": "text", "text": key[4], "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "f", "input_schema": {"properties": {"a": {"default": key[5]}}}}],
        "messages": [
            {"role": "user", "content": [{"type": "document", "source": document}]},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": key[6], "signature": "s"}, call],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": key[1],
                        "content": [{"type": "text", "text": key[7]}],
                    },
                    {"type": "text", "text": key[8]},
                ],
            },
        ],
    }
    items = {
        "model": "gpt-4.1",
        "instructions": key[4],
        "tools": [{"type": "function", "name": "f", "description": key[5]}],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": key[3]}]},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": key[6]}],
            },
            {"type": "function_call", "call_id": key[1], "name": "f", "arguments": f'"{key[2]}"'},
            {"type": "function_call_output", "call_id": key[1], "output": key[7]},
            {"role": "user", "content": key[8]},
        ],
    }
    for body in (messages, items):
        before = deepcopy(body)
        made_plan = planned(body)
        assert body == before
        sent = json.dumps(made_plan.body)
        assert {n for n, value in key.items() if value in sent} == {1, 6}
        assert restored(made_plan) == before


@pytest.mark.parametrize("name", ["openai-responses", "anthropic-messages"])
def test_secrets_of_items_are_named_by_their_turn(name: str) -> None:
    """A secret's name is the same in each longer request, also where items are no messages."""
    (first, first_text), (second, second_text) = made("github", 1), made("github", 2)
    call: list[Any]
    if name == "openai-responses":
        call = [
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": second_text},
        ]
    else:
        result = {"type": "tool_result", "tool_use_id": "c", "content": second_text}
        call = [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "input": {}}]},
            {"role": "user", "content": [result]},
        ]
    key = "input" if name == "openai-responses" else "messages"
    asked = {"model": "gpt-4.1", key: [{"role": "user", "content": first_text}]}
    short = planned(asked)
    long = planned({**asked, key: [*asked[key], *call]})  # type: ignore[misc]
    assert long.body[key][0] == short.body[key][0]
    assert {v: k for k, v in long.secrets.items()}[second] == "[secret-2]"
    assert {v: k for k, v in short.secrets.items()}[first] == "[secret-1]"
