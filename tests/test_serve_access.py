"""Who may do what at the service, and how it says no."""

from __future__ import annotations

import json
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

import anthropic
import httpx2
import openai
import pytest

from services import policy_at, serving, upstreams_at
from tokenthrift.errors import ServeError
from tokenthrift.serve.keys import KeyFile, Scope
from tokenthrift.serve.running import Service
from tokenthrift.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokenthrift.serve.simulated import SimulatedProvider

CHAT: Final = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello?"}]}
MESSAGES: Final = {**CHAT, "model": "claude-sonnet-4-6", "max_tokens": 16}
UPSTREAM_KEY: Final = "sk-of-the-house"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyFile]:
    """The keys of the service."""
    with KeyFile(tmp_path_factory.mktemp("keys") / "keys.db") as made:
        yield made


@pytest.fixture(scope="module")
def service(provider: SimulatedProvider, keys: KeyFile) -> Iterator[Service]:
    """A service with keys, whose provider knows the house's key only."""
    upstreams = tuple(
        u.model_validate({**u.model_dump(), "key": UPSTREAM_KEY}) for u in upstreams_at(provider)
    )
    given = {"keys": keys.path, "upstreams": upstreams, "max_body_bytes": 20_000}
    with serving(provider, "balanced", "off", body_timeout_s=0.5, **given) as running:
        yield running
    provider.forget(UPSTREAM_KEY)


def ask(
    service: Service, path: str, body: Any = None, *, key: str = "", **headers: str
) -> httpx2.Response:
    """One request; with a body it is a POST."""
    given = {f"x-tokenthrift-{k}": v for k, v in headers.items()}
    if key:
        given["authorization"] = f"Bearer {key}"
    if body is None:
        return httpx2.get(service.root_url + path, headers=given)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(service.root_url + path, content=content, headers=given)


# ------------------------------------------------------------------------------------------- keys
PATHS: Final = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": {"model": "gpt-4o-mini", "input": "Hello?"},
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": MESSAGES,
    "/v1/embeddings": {"model": "m", "input": "a"},
    "/v1/plan": CHAT,
    "/v1/feedback": {"call_id": "x", "outcome": 1},
    "/v1/models": None,
    "/metrics": None,
    "/openapi.json": None,
}


@pytest.mark.parametrize("path", PATHS)
def test_nothing_without_a_key(service: Service, keys: KeyFile, path: str) -> None:
    """Every path but health wants a key, and one that is for it."""
    assert ask(service, path, PATHS[path]).status_code == 401
    wrong = ask(service, path, PATHS[path], key="tt_000000000000_wrong")
    assert wrong.status_code == 401
    assert wrong.headers["www-authenticate"] == "Bearer"
    token, _ = keys.create_key("other", Scope(rooms=("dashboard",)))
    assert ask(service, path, PATHS[path], key=token).status_code == 403
    assert ask(service, "/healthz").status_code == ask(service, "/readyz").status_code == 200


def test_both_sdks_show_the_key_and_the_provider_never_sees_it(
    service: Service, provider: SimulatedProvider, keys: KeyFile
) -> None:
    """A bearer token and ``x-api-key`` are taken; the provider is shown the house's own key."""
    token, _ = keys.create_key("sdk")
    provider.forget(UPSTREAM_KEY)
    with openai.OpenAI(base_url=service.base_url, api_key=token, max_retries=0) as one:
        one.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    with anthropic.Anthropic(base_url=service.root_url, api_key=token, max_retries=0) as two:
        two.messages.create(**MESSAGES)  # type: ignore[call-overload]
        two.messages.count_tokens(model=MESSAGES["model"], messages=MESSAGES["messages"])  # type: ignore[arg-type]
    seen = provider.requests(UPSTREAM_KEY)
    assert len(seen) == 3
    assert token not in repr([(s.headers, s.raw) for s in seen])


def test_a_revoked_key_is_refused_at_once(service: Service, keys: KeyFile) -> None:
    """The next request after the revocation is refused."""
    token, made = keys.create_key("short")
    assert ask(service, "/v1/models", key=token).status_code == 200
    keys.revoke(made.key_id)
    assert ask(service, "/v1/models", key=token).status_code == 401


def test_scopes_of_policies_models_and_tags(service: Service, keys: KeyFile) -> None:
    """A key says which policies and models it is for, and which tags its records carry."""
    scope = Scope(policies=("balanced",), models=("gpt-4o*",), tags={"team": "search"})
    token, _ = keys.create_key("team", scope)

    def status(body: Any = CHAT, path: str = "/v1/chat/completions", **headers: str) -> int:
        return ask(service, path, body, key=token, **headers).status_code

    assert status() == 200
    assert status(tags="user=ann", session="s-1") == 200
    (record, *_) = service.desk.ledger.records(limit=1)
    assert record.tags == {"team": "search", "user": "ann"}
    assert record.session is not None
    assert status(tags="team=sales") == 403
    assert status(policy="off") == 403
    assert status(bypass="true") == 403
    assert status(policy="nothing") == 403
    assert status({**CHAT, "model": "o3"}) == 403
    assert status({**CHAT, "model": "o3"}, path="/v1/plan") == 403
    listed = ask(service, "/v1/models", key=token).json()["data"]
    assert {m["id"] for m in listed} == {"gpt-4o", "gpt-4o-mini"}
    assert ask(service, "/v1/models/gpt-4.1", key=token).status_code == 403


def test_bypass(service: Service, keys: KeyFile) -> None:
    """A call may go as it is given, where its key may use the policy ``off``."""
    token, _ = keys.create_key("free")
    answer = ask(service, "/v1/chat/completions", CHAT, key=token, bypass="true")
    assert answer.status_code == 200
    assert ask(service, "/v1/chat/completions", CHAT, key=token, bypass="maybe").status_code == 400
    for tags in ("user", "=ann", "user=" + "x" * 300, ",".join(f"t{n}=1" for n in range(40))):
        assert ask(service, "/v1/chat/completions", CHAT, key=token, tags=tags).status_code == 400


def test_limits_by_key(provider: SimulatedProvider, keys: KeyFile, tmp_path: Path) -> None:
    """A limit by key counts each key for itself; 429 says when, and that trying again is no use."""
    policy = policy_at(
        tmp_path, "limited", "limits: [{name: k, by: key, window: hour, requests: 1}]\n"
    )
    one, two = keys.create_key("one")[0], keys.create_key("two")[0]
    with serving(provider, policy, keys=keys.path) as limited:
        for key in (one, two):
            ask(limited, "/v1/chat/completions", CHAT, key=key)
            refused = ask(limited, "/v1/chat/completions", CHAT, key=key)
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= 3_600
            assert refused.headers["x-should-retry"] == "false"
            assert refused.json()["error"]["type"] == "LimitError"
        refused = ask(limited, "/v1/messages", MESSAGES, key=one)
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert refused.json()["error"]["code"] == "LimitError"
        assert len(list(limited.desk.ledger.records())) == 5


def test_where_it_listens(provider: SimulatedProvider, tmp_path: Path) -> None:
    """Beyond this machine it does not start without keys; a file of keys must be there."""
    with pytest.raises(ServeError, match="not this machine only"):
        Service(Settings(host="0.0.0.0", ledger=str(tmp_path / "l.db")))
    assert not (tmp_path / "l.db").exists()
    with serving(provider, host="0.0.0.0", open_to_all=True) as running:
        assert running.settings.open_to_all


# ------------------------------------------------------------------------------------ what it says
def test_refusals_have_the_shape_of_the_dialect(service: Service, keys: KeyFile) -> None:
    """OpenAI's shape everywhere but under ``/v1/messages``."""
    token, _ = keys.create_key("shapes")
    for path in ("/v1/chat/completions", "/v1/responses", "/nowhere", "/v1/plan"):
        error = ask(service, path, b"{", key=token).json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
    for path in ("/v1/messages", "/v1/messages/nowhere"):
        said = ask(service, path, b"{", key=token).json()
        assert said["type"] == "error"
        assert set(said["error"]) >= {"type", "message"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"model": "\xff"}', 400),
        (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, 400),
        (json.dumps({**CHAT, "user": "x" * 30_000}).encode(), 413),
    ],
)
def test_bodies_that_are_none(service: Service, keys: KeyFile, body: bytes, status: int) -> None:
    """What is no JSON object, or too large, is refused before anything else is done."""
    token, _ = keys.create_key("bodies")
    before = service.desk.ledger.count()
    for path in PATHS:
        if PATHS[path] is not None:
            answer = ask(service, path, body, key=token)
            assert answer.status_code == status, path
            assert answer.json()["error"]["message"]
    assert service.desk.ledger.count() == before


def test_a_body_without_a_length_is_measured(service: Service, keys: KeyFile) -> None:
    """In chunks it may not be larger either."""
    token, _ = keys.create_key("chunks")
    answer = httpx2.post(
        service.base_url + "/chat/completions",
        content=(b"x" * 1_000 for _ in range(50)),
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 413


def test_a_body_that_does_not_come(service: Service, keys: KeyFile) -> None:
    """Who sends it too slowly gets a 408, and loses the connection."""
    token, _ = keys.create_key("slow")
    host, port = service.root_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as caller:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}"
        caller.sendall(f"{head}\r\ncontent-length: 100\r\n\r\n{{".encode())
        said = b""
        while piece := caller.recv(4_096):
            said += piece
    assert said.startswith(b"HTTP/1.1 408")
    assert b"RequestTimeoutError" in said


def test_methods_and_paths(service: Service) -> None:
    """A wrong method is a 405 that says which are right; a path that is not there a 404."""
    answer = httpx2.get(service.base_url + "/chat/completions")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    for path in ("/docs", "/", "/v1/nothing"):
        assert httpx2.get(service.root_url + path).status_code == 404


@pytest.mark.parametrize("steps", ["../files", "%2e%2e/files", "x/../../files", "."])
def test_nobody_climbs_out_of_a_path(
    service: Service, provider: SimulatedProvider, keys: KeyFile, steps: str
) -> None:
    """The provider's other paths are not to be had with the house's key."""
    token, _ = keys.create_key("climber")
    host, port = service.root_url.removeprefix("http://").split(":")
    before = len(provider.requests(UPSTREAM_KEY))
    with socket.create_connection((host, int(port)), 10) as caller:
        head = f"GET /v1/models/{steps} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}"
        caller.sendall(f"{head}\r\nconnection: close\r\n\r\n".encode())
        assert caller.recv(4_096).startswith(b"HTTP/1.1 404")
    assert len(provider.requests(UPSTREAM_KEY)) == before


def test_browsers_get_nothing_to_work_with(service: Service, keys: KeyFile) -> None:
    """No page of another site may read answers, or frame or sniff them."""
    token, _ = keys.create_key("browser")
    given = {"origin": "https://evil.example", "authorization": f"Bearer {token}"}
    answer = httpx2.post(service.base_url + "/chat/completions", json=CHAT, headers=given)
    assert answer.status_code == 200
    assert not [k for k in answer.headers if k.startswith("access-control-")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    asked = httpx2.options(service.base_url + "/chat/completions", headers=given)
    assert asked.status_code == 405


def test_logs_hold_no_text(
    service: Service, keys: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither prompts, answers nor keys are logged, whatever goes wrong."""
    token, _ = keys.create_key("quiet")
    said = "a-secret-thought"
    body = {**CHAT, "messages": [{"role": "user", "content": said}]}
    with caplog.at_level(logging.DEBUG):
        for given in (body, {**body, "stream": True}, {"model": said, "messages": said}):
            ask(service, "/v1/chat/completions", given, key=token)
        ask(service, "/v1/plan", {**body, "messages": [{"role": said, "content": {}}]}, key=token)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("tokenthrift", "uvicorn"))]
    assert len(ours) >= 3
    assert said not in "\n".join(ours)
    assert token not in "\n".join(ours)


# ------------------------------------------------------------------------------------- its own
def test_dry_runs(service: Service, provider: SimulatedProvider, keys: KeyFile) -> None:
    """A plan says what would be sent, sends nothing, and writes nothing."""
    token, _ = keys.create_key("plans", Scope(policies=("off", "balanced")))
    before = service.desk.ledger.count(), len(provider.requests(UPSTREAM_KEY))
    said = ask(service, "/v1/plan", CHAT, key=token).json()
    assert said["body"] == CHAT
    assert said["wire"] == "openai-chat"
    assert said["explanation"]["policy"] == "off"
    said = ask(service, "/v1/plan?wire=anthropic-messages", MESSAGES, key=token, policy="balanced")
    assert said.json()["wire"] == "anthropic-messages"
    assert said.json()["explanation"]["policy"] == "balanced"
    assert ask(service, "/v1/plan?wire=nonsense", CHAT, key=token).status_code == 400
    assert ask(service, "/v1/plan", {"model": "x", "messages": 3}, key=token).status_code == 400
    assert before == (service.desk.ledger.count(), len(provider.requests(UPSTREAM_KEY)))


def test_feedback(service: Service, keys: KeyFile) -> None:
    """Said once of a call of one's own; twice the same is fine, something else is not."""
    own, _ = keys.create_key("own", Scope(tags={"team": "a"}))
    other, _ = keys.create_key("other", Scope(tags={"team": "b"}))
    answer = ask(service, "/v1/chat/completions", CHAT, key=own)
    said = {"call_id": answer.headers["x-tokenthrift-record"], "outcome": "good", "value": 2.5}
    assert ask(service, "/v1/feedback", said, key=other).status_code == 404
    assert ask(service, "/v1/feedback", said, key=own).json()["new"] is True
    assert ask(service, "/v1/feedback", said, key=own).json()["new"] is False
    assert ask(service, "/v1/feedback", {**said, "outcome": 0}, key=own).status_code == 409
    assert ask(service, "/v1/feedback", {**said, "outcome": 3}, key=own).status_code == 422
    assert ask(service, "/v1/feedback", {**said, "who": 3}, key=own).status_code == 422
    assert ask(service, "/v1/feedback", {**said, "call_id": "none"}, key=own).status_code == 404
    (kept,) = service.desk.ledger.feedback(said["call_id"])  # type: ignore[arg-type]
    assert (kept.outcome, kept.value) == (1.0, 2.5)


def test_figures(service: Service, keys: KeyFile) -> None:
    """What calls came to, as Prometheus reads it."""
    token, _ = keys.create_key("figures")
    ask(service, "/v1/chat/completions", CHAT, key=token)
    answer = ask(service, "/metrics", key=token)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'tokenthrift_calls_total{model="gpt-4o-mini"' in answer.text
