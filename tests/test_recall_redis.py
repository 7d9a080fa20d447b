"""The store in Redis, against a real server: exact, expiring, shared, and never in a call's way."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import openai
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import tokenthrift
from redis_server import RedisServer
from strategies import examples
from tokenthrift.addresses import shown
from tokenthrift.cli import app
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.errors import MissingExtraError, PolicyError, RecallError
from tokenthrift.policy import load_policy
from tokenthrift.recall import RedisRecall, SQLiteRecall, open_recall
from tokenthrift.recall.redis import KEY, REST_S
from tokenthrift.report.policy_words import policy_json
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "p@ss/w?rd#1:x"
LOG = "\n".join(f"12:{i:04d} worker {i} stored item {i * 7} of tenant {i % 5}" for i in range(400))
CALL = {"id": "c1", "type": "function", "function": {"name": "read_log", "arguments": "{}"}}
CONVERSATION: list[Any] = [
    {"role": "user", "content": "Which worker stored item 700?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": LOG},
]
DAY_MS = 86_400_000
MARK = re.compile(r"recall ([0-9a-f]{8})\]")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running server that all tests of this module share."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running server of the test's own, to stop and to hang."""
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """A client of the simulated provider."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as client:
        yield client


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now_s


def policy_with(store: str, **recall: Any) -> dict[str, Any]:
    """A policy that cuts, with a store."""
    stages = [{"stage": "select", "keep": 0.3}]
    return {"version": 1, "stages": stages, "recall": {"store": store, **recall}}


# ------------------------------------------------------------------------------------------- server
@examples(60)
@given(texts=st.lists(st.text(st.characters(), max_size=60), max_size=4))
def test_texts_come_back_exactly(server, texts):
    """Any texts, halves of surrogate pairs and NULs included, come back as they were put."""
    store = RedisRecall(server.url)
    store.put({"aaaaaaaa": texts})
    assert store.get("aaaaaaaa") == tuple(texts)
    store.close()


def test_it_keeps_what_the_other_stores_keep(server, tmp_path):
    """The same bytes lie in a SQLite file and in Redis, under the id, and nothing for no texts."""
    omitted = {"0000000a": ("one", "\ud800"), "0000000b": (LOG,)}
    store = RedisRecall(server.url)
    store.put(omitted)
    store.put({})
    with SQLiteRecall(tmp_path / "r.sqlite") as other, redis.Redis(port=server.port) as client:
        other.put(omitted)
        for key, texts in omitted.items():
            assert store.get(key) == other.get(key) == texts
        assert len(client.get(f"{KEY}0000000b")) < len(LOG) / 3
    assert store.get("0000000c") is None
    store.close()


def test_redis_lets_texts_expire(server):
    """The days are the key's own expiry, begin anew with each put, and end in a miss."""
    with redis.Redis(port=server.port) as client:
        store = RedisRecall(server.url, 7)
        store.put({"0000000d": ("one",)})
        assert 6 * DAY_MS < client.pttl(f"{KEY}0000000d") <= 7 * DAY_MS
        client.pexpire(f"{KEY}0000000d", DAY_MS)
        store.put({"0000000d": ("one",)})
        assert client.pttl(f"{KEY}0000000d") > 6 * DAY_MS
        RedisRecall(server.url, float("inf")).put({"0000000d": ("one",)})
        RedisRecall(server.url, 0.02 / 86_400).put({"0000000d": ("one",)})
        while client.exists(f"{KEY}0000000d"):
            time.sleep(0.01)
        assert store.get("0000000d") is None
        RedisRecall(server.url, None).put({"0000000d": ("one",)})
        assert client.pttl(f"{KEY}0000000d") == -1
        store.close()


def test_threads_and_other_openings_share_a_server(server):
    """Several threads write through two stores, and a third has it all."""
    one, two, three = (open_recall(server.url, ttl_days=1) for _ in range(3))
    threads = [
        threading.Thread(target=store.put, args=({f"{n:08x}": (str(n),)},))
        for n, store in enumerate([one, two] * 8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [three.get(f"{n:08x}") for n in range(16)] == [(str(n),) for n in range(16)]
    for store in (one, two, three):
        store.close()


def test_what_others_wrote_is_an_error_that_says_where(server):
    """Bytes that are no texts of ours, and a key of another type."""
    store = RedisRecall(server.url)
    with redis.Redis(port=server.port) as client:
        client.set(f"{KEY}0000000e", b"something else")
        client.lpush(f"{KEY}0000001f", b"a list")
    with pytest.raises(RecallError, match=r"redis://127.0.0.1:\d+/0: text '0000000e' is damaged"):
        store.get("0000000e")
    with pytest.raises(RecallError, match="WRONGTYPE"):
        store.get("0000001f")
    store.close()


def test_a_full_server_says_what_to_do(own_server):
    """Where Redis may take no more, the error names its settings, and what is there stays."""
    store = RedisRecall(own_server.url)
    store.put({"0000000a": ("kept",)})
    with redis.Redis(port=own_server.port) as client:
        client.config_set("maxmemory", 1)
    with pytest.raises(RecallError, match="raise maxmemory, or set maxmemory-policy"):
        store.put({"0000000b": ("more",)})
    assert store.get("0000000a") == ("kept",)
    store.close()


def test_a_server_that_is_down_is_left_alone_for_a_while(own_server):
    """One try, then errors at once; after the rest it is asked again; broken connections heal."""
    clock = Clock()
    store = RedisRecall(own_server.url, clock=clock)
    store.put({"0000000a": ("before",)})
    own_server.stop()
    own_server.start()
    assert store.get("0000000a") is None  # it kept nothing, but the connection is made anew
    own_server.stop()
    with pytest.raises(RecallError, match="is it running"):
        store.put({"0000000a": ("while down",)})
    own_server.start()
    with pytest.raises(RecallError, match="asked again"):
        store.get("0000000a")
    clock.now_s += REST_S
    store.put({"0000000a": ("after",)})
    assert store.get("0000000a") == ("after",)
    own_server.hang()
    with pytest.raises(RecallError, match="Timeout"):
        store.get("0000000a")
    with pytest.raises(RecallError, match="asked again"):
        store.get("0000000a")
    store.close()


# -------------------------------------------------------------------------------------------- calls
def test_calls_go_on_without_the_server_and_store_later(own_server, bare, caplog):
    """A server that is down costs no call; it is told once, and texts are put when it is back."""
    caplog.set_level(logging.WARNING, "tokenthrift")
    own_server.stop()
    secret = own_server.url.replace("//", f"//me:{quote(SECRET, safe='')}@")
    client = tokenthrift.wrap(bare, policy_with(secret))
    account = tokenthrift.account_of(client)
    for _ in range(2):
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=CONVERSATION)
        assert answer.tokenthrift.record.status == "ok"
        assert answer.tokenthrift.savings.compression_nanos > 0
    assert [type(e) for e in account.sink_errors] == [RecallError] * 2
    (told,) = [r.getMessage() for r in caplog.records if "sink_errors" in r.getMessage()]
    assert f"redis://127.0.0.1:{own_server.port}/0" in told
    assert SECRET not in caplog.text + str(list(account.sink_errors))
    own_server.start()
    with redis.Redis(port=own_server.port) as admin:
        admin.acl_setuser(
            "me", enabled=True, passwords=[f"+{SECRET}"], keys=["*"], categories=["+@all"]
        )
    account.recall_store._clock = lambda: time.monotonic() + REST_S
    client.chat.completions.create(model="gpt-4o-mini", messages=CONVERSATION)
    assert len(account.sink_errors) == 2
    ((recall_id, texts),) = answer.tokenthrift.plan.omitted.items()
    other = open_recall(secret, ttl_days=1)
    assert other.get(recall_id) == texts
    other.close()
    account.recall_store.close()


def test_a_replica_answers_for_another(server):
    """A client that never cut a text gives it back from Redis if its mark stands in the request."""

    def recalls_once(body: Any) -> Answer:
        said = json.dumps(body["messages"])
        if "[lines 1-" in said or NAME not in json.dumps(body.get("tools")):
            return Answer(text="Worker 100.")
        return Answer(tool_calls=(ToolCall(NAME, json.dumps({"id": MARK.findall(said)[-1]})),))

    policy = policy_with(server.url, offer=True, max_tokens=400)
    with SimulatedProvider(answers=recalls_once) as provider:
        with openai.OpenAI(base_url=provider.base_url, api_key="first") as bare:
            first = tokenthrift.wrap(bare, {**policy, "recall": {"store": server.url}})
            cut = first.chat.completions.create(model="gpt-4o-mini", messages=CONVERSATION)
            tokenthrift.account_of(first).recall_store.close()
        sent = cut.tokenthrift.plan.body["messages"]
        with openai.OpenAI(base_url=provider.base_url, api_key="second") as bare:
            second = tokenthrift.wrap(
                bare, {**policy, "stages": [{"stage": "select", "min_tokens": 9_000}]}
            )
            answer = second.chat.completions.create(model="gpt-4o-mini", messages=sent)
            tokenthrift.account_of(second).recall_store.close()
        results = [
            m for m in provider.requests("second")[-1].body["messages"] if m["role"] == "tool"
        ]
    assert answer.choices[0].message.content == "Worker 100."
    assert [a.status for a in answer.tokenthrift.record.attempts] == ["recall", "ok"]
    gone = "\n".join(next(iter(cut.tokenthrift.plan.omitted.values())))
    assert results[-1]["content"].splitlines()[1] == gone.splitlines()[0]


# ------------------------------------------------------------------------------------------ secrets
def test_passwords_work_and_are_never_shown(own_server):
    """A password of any characters opens the server; the error of a wrong one does not show it."""
    with redis.Redis(port=own_server.port) as admin:
        admin.config_set("requirepass", SECRET)
    place = f"127.0.0.1:{own_server.port}/0"
    store = RedisRecall(f"redis://:{quote(SECRET, safe='')}@{place}")
    store.put({"0000000a": ("one",)})
    assert store.get("0000000a") == ("one",)
    assert SECRET not in repr(store)
    store.close()
    wrong = RedisRecall(f"redis://:wr0ng@{place}")
    with pytest.raises(RecallError) as caught:
        wrong.get("0000000a")
    assert str(caught.value).startswith(f"redis://{place}: ")
    assert "wr0ng" not in str(caught.value)
    wrong.close()
    result = CliRunner().invoke(app, ["recall", "0000000b", "--store", store_url(own_server)])
    assert isinstance(result.exception, RecallError)
    assert str(result.exception) == f"redis://{place}: nothing is kept under '0000000b'"
    result = CliRunner().invoke(app, ["recall", "0000000a", "--store", store_url(own_server)])
    assert result.output == "[lines 1-1 of 1]\none\n"


def store_url(server: RedisServer) -> str:
    """With the password."""
    return f"redis://:{quote(SECRET, safe='')}@127.0.0.1:{server.port}/0"


@examples(200)
@given(user=st.text(max_size=4), password=st.text("ab@/?#:%[]é ", min_size=1, max_size=9))
def test_no_part_of_a_password_is_shown(user, password):
    """However it is written, only scheme, host, port and path of an address come through."""
    marked = "".join(f"§{c}" for c in password)
    user = user.replace("§", "")
    for url in (
        f"redis://{user}:{marked}@host:6379/0",
        f"rediss://{user}:{quote(marked)}@host:6379/0",
        f"redis://host:6379/0?password={marked}",
        f"redis://{user}:{marked}",
    ):
        seen = shown(url)
        assert "§" not in seen
        assert quote("§") not in seen
    assert shown(f"redis://me:{quote(password, safe='')}@host:6379/0") == "redis://host:6379/0"


def test_addresses_without_secrets_are_shown_as_they_are():
    """Files, sockets and hosts."""
    for address in (
        "recall.sqlite",
        "C:\\data\\r.sqlite",
        "redis://host:6379/0",
        "rediss://10.0.0.7/1",
        "redis://[::1]:6379",
        "unix:///run/redis.sock",
    ):
        assert shown(address) == address


def test_policies_with_a_server(tmp_path):
    """The digest is that of the policy without it; what is no server of ours is an error."""
    url = f"redis://me:{quote(SECRET, safe='')}@host:6379/0"
    policy = load_policy(policy_with(url, ttl_days=3))
    assert policy.digest == load_policy(policy_with("r.sqlite")).digest
    assert policy.recall_store == url
    own = tmp_path / "own.yaml"
    own.write_text("version: 1\nrecall: {store: r.sqlite}\n", encoding="utf-8")
    assert load_policy(own).recall_store == tmp_path / "r.sqlite"
    assert SECRET not in repr(policy)
    said = json.dumps(policy_json(policy))
    assert "redis://host:6379/0" in said
    for secret in (SECRET, quote(SECRET, safe="")):
        assert secret not in said
    with pytest.raises(
        PolicyError, match=r"recall.store: no store mysql://; use redis://"
    ) as caught:
        load_policy(policy_with("mysql://me:s3cret@host/0"))
    whole = f"{caught.value} {caught.value.__cause__}"
    assert "s3cret" not in whole
    for bad in (":nan/0", ":6379/0?socket_timeout=s3cret", ":6379/0?colour=s3cret"):
        with pytest.raises(RecallError, match="not an address of a Redis server") as refused:
            open_recall(f"redis://me:s3cret@host{bad}", ttl_days=1)
        assert "s3cret" not in str(refused.value)
        assert refused.value.__suppress_context__


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    """Without redis-py the error says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[redis\]"):
        open_recall("redis://localhost", ttl_days=1)


def test_a_fork_uses_connections_of_its_own(server):
    """A child process reads and writes through the store of its parent, and both go on."""
    store = RedisRecall(server.url)
    store.put({"000000f0": ("parent",)})
    child = os.fork()
    if child == 0:
        try:
            store.put({"000000f1": store.get("000000f0") or ()})
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert store.get("000000f1") == ("parent",)
    store.close()
