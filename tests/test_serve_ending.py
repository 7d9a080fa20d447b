"""Callers that leave, and services that are told to stop: nothing is lost, nothing hangs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import httpx2
import openai
import pytest

from services import serving
from tokenthrift.ledger import open_ledger
from tokenthrift.serve.simulated import SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tokenthrift.serve.running import Service

HELLO: Final[Any] = [{"role": "user", "content": "Hello?"}]
BODY: Final = {"model": "gpt-4o-mini", "messages": HELLO}
PATIENCE_S: Final = 20.0


def until(what: Callable[[], Any]) -> Any:
    """Wait until something is there."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


def left_alone(service: Service, api_key: str, body: dict[str, Any], wait_for: bytes) -> None:
    """Send a request, read until something comes (at once where that is empty), and leave."""
    host, port = service.root_url.removeprefix("http://").split(":")
    raw = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api_key}"
    with socket.create_connection((host, int(port)), PATIENCE_S) as caller:
        caller.sendall(f"{head}\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw)
        seen = b""
        while wait_for not in seen:
            seen += caller.recv(4_096)


@pytest.mark.parametrize("policy", ["off", "balanced"])
def test_a_caller_that_leaves_before_the_answer(
    provider: SimulatedProvider, api_key: str, policy: str
) -> None:
    """The provider's request is given up long before its answer, and the record says cancelled."""
    provider.set_faults(api_key, "timeout:60")
    with serving(provider, policy) as service:
        left_alone_when_sent = threading.Thread(
            target=_leave_when, args=(service, api_key, lambda: provider.requests(api_key))
        )
        left_alone_when_sent.start()
        (record,) = until(lambda: list(service.desk.ledger.records()))
        left_alone_when_sent.join()
        assert record.status == "cancelled"
        assert until(lambda: service.desk.under_way == 0)
        answer = httpx2.get(service.root_url + "/readyz")
        assert answer.status_code == 200


def _leave_when(service: Service, api_key: str, there: Callable[[], Any]) -> None:
    host, port = service.root_url.removeprefix("http://").split(":")
    raw = json.dumps(BODY).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api_key}"
    with socket.create_connection((host, int(port)), PATIENCE_S) as caller:
        caller.sendall(f"{head}\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw)
        until(there)


def test_a_caller_that_leaves_a_stream(provider: SimulatedProvider, api_key: str) -> None:
    """What came before it left is counted; the stream behind it is closed."""
    provider.set_faults(api_key, "drip:5")
    with serving(provider) as service:
        left_alone(service, api_key, {**BODY, "stream": True}, b"data: ")
        (record,) = until(lambda: list(service.desk.ledger.records()))
        assert (record.status, record.streamed) == ("cancelled", True)
        assert record.attempts[0].usage.estimated
        assert until(lambda: service.desk.under_way == 0)


def test_nobody_waits_for_a_caller_that_left(provider: SimulatedProvider, api_key: str) -> None:
    """Many that leave hold nothing: all are in the ledger once, and calls go on."""
    provider.set_faults(api_key, "timeout:60")
    with serving(provider, max_calls=8) as service:
        for _ in range(3):
            callers = [
                threading.Thread(target=left_alone, args=(service, api_key, BODY, b""))
                for _ in range(8)
            ]
            for one in callers:
                one.start()
            for one in callers:
                one.join()
            assert until(lambda: service.desk.under_way == 0)
        assert {r.status for r in service.desk.ledger.records()} <= {"cancelled"}
        provider.forget(api_key)
        with openai.OpenAI(base_url=service.base_url, api_key=api_key, max_retries=0) as client:
            client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)


def test_too_many_at_once_are_told_to_come_again(provider: SimulatedProvider, api_key: str) -> None:
    """Beyond the most calls under way it is a 503 with a time."""
    provider.set_faults(api_key, "timeout:60")
    with serving(provider, max_calls=1) as service:
        held = threading.Thread(
            target=_leave_when, args=(service, api_key, lambda: refused.get("answer"))
        )
        refused: dict[str, Any] = {}
        held.start()
        until(lambda: service.desk.under_way)
        refused["answer"] = httpx2.post(service.base_url + "/chat/completions", json=BODY)
        held.join()
    assert refused["answer"].status_code == 503
    assert refused["answer"].headers["retry-after"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_a_service_that_stops_lets_calls_end(
    provider: SimulatedProvider, api_key: str, *, stream: bool
) -> None:
    """What is under way is answered whole and written down; then everything is closed."""
    provider.set_faults(api_key, "drip:0.1")
    said: dict[str, Any] = {}

    def call(url: str) -> None:
        headers = {"authorization": f"Bearer {api_key}"}
        body = {**BODY, "stream": stream}
        said["answer"] = httpx2.post(
            url + "/chat/completions", json=body, headers=headers, timeout=60
        )

    with serving(provider) as service:
        caller = threading.Thread(target=call, args=(service.base_url,))
        caller.start()
        until(lambda: provider.requests(api_key))
        url = service.root_url
    caller.join()
    assert said["answer"].status_code == 200
    assert said["answer"].text.endswith("data: [DONE]\n\n" if stream else "}")
    (record,) = service.desk.ledger.records()
    assert record.status == "ok"
    with pytest.raises(httpx2.TransportError):
        httpx2.get(url + "/healthz")


def test_a_service_that_may_not_wait(provider: SimulatedProvider, api_key: str) -> None:
    """When its time is over, what is under way is given up, and in the ledger."""
    provider.set_faults(api_key, "timeout:60")
    with serving(provider, drain_s=1) as service:
        caller = threading.Thread(
            target=_leave_when,
            args=(service, api_key, lambda: list(service.desk.ledger.records())),
        )
        caller.start()
        until(lambda: provider.requests(api_key))
    caller.join()
    (record,) = service.desk.ledger.records()
    assert record.status == "cancelled"


def test_the_command_and_its_signal(
    provider: SimulatedProvider, api_key: str, tmp_path: Path
) -> None:
    """`tokenthrift serve` serves; SIGTERM in the middle of a call ends it when that is answered."""
    provider.set_faults(api_key, "drip:0.05")
    ledger = tmp_path / "ledger.db"
    given = ["--policy", "off", "--ledger", str(ledger), "--port", "0"]
    code = "from tokenthrift.cli import main; main()"
    environment = {**os.environ, "OPENAI_API_KEY": api_key, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", *given, "--upstream", f"openai={provider.base_url}"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment,
        text=True,
    )
    assert process.stderr is not None
    try:
        url = process.stderr.readline().split()[-1]
        until(lambda: _is_up(url))
        with openai.OpenAI(base_url=f"{url}/v1", api_key="anything", max_retries=0) as client:
            stream = client.chat.completions.create(**BODY, stream=True)  # type: ignore[call-overload]
            first = next(stream)
            process.send_signal(signal.SIGTERM)
            rest = list(stream)
        assert first.choices
        assert rest[-1].choices[0].finish_reason == "stop"
        assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM)
        banner = process.stderr.read()
    finally:
        process.kill()
        process.stderr.close()
        process.wait()
    assert api_key not in banner
    with open_ledger(ledger, create=False) as kept:
        (record,) = kept.records()
    assert record.status == "ok"


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(url + "/readyz").status_code == 200
    except httpx2.TransportError:
        return False
