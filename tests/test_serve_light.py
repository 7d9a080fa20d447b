"""Light calls: which ones are planned on the event loop, and how their records are written."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from services import serving
from tokenthrift.client.account import Account
from tokenthrift.ledger import MemoryLedger
from tokenthrift.serve.light import LIGHT_BYTES, Light, only_computes

if TYPE_CHECKING:
    from tokenthrift.serve.simulated import SimulatedProvider

LIMIT = {"name": "all", "tokens": 10_000, "window": "hour"}


@pytest.mark.parametrize(
    ("policy", "computes"),
    [
        ("off", True),
        ("balanced", True),
        ({"version": 1, "name": "a", "recall": {"offer": True}}, False),
        ({"version": 1, "name": "b", "limits": [LIMIT]}, False),
        ({"version": 1, "name": "c", "routing": {"verify": ["refusal"]}}, False),
    ],
)
def test_what_waits_for_something_is_not_light(policy: Any, *, computes: bool) -> None:
    """Stores, limits and checks are left to threads."""
    assert only_computes(Account(policy, MemoryLedger())) is computes


def test_everything_is_written_once_by_one_thread() -> None:
    """Also what nobody waits for any more, and what raises tells whoever waits."""
    written: list[tuple[int, str]] = []
    goes_on = threading.Event()

    def work(n: int) -> None:
        goes_on.wait(20)
        written.append((n, threading.current_thread().name))
        if n == 3:
            raise ValueError("three")

    async def main() -> list[Any]:
        writer = Light()
        tasks = [asyncio.create_task(writer.write(lambda n=n: work(n))) for n in range(6)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        goes_on.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(writer.close)
        return ended

    ended = asyncio.run(main())
    assert [n for n, _ in written] == list(range(6))
    assert {name for _, name in written} == {"tokenthrift-records"}
    assert isinstance(ended[1], asyncio.CancelledError)
    assert isinstance(ended[3], ValueError)
    assert [ended[n] for n in (0, 2, 4, 5)] == [None] * 4


@pytest.mark.parametrize("size", [10, LIGHT_BYTES + 1])
def test_light_and_other_calls_are_recorded_alike(
    provider: SimulatedProvider, api_key: str, size: int
) -> None:
    """The thread of the records writes those of short bodies, a worker those of long ones."""
    written: list[str] = []
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a " * (size // 2)}]}
    with serving(provider) as service:
        account = service.desk.accounts["balanced"]
        account.add_sink(lambda _: written.append(threading.current_thread().name))
        headers = {"authorization": f"Bearer {api_key}"}
        url = f"{service.base_url}/chat/completions"
        answer = httpx2.post(url, json=body, headers=headers)
        assert answer.status_code == 200
        (record,) = service.desk.ledger.records()
        assert answer.headers["x-tokenthrift-record"] == record.record_id
    assert [name == "tokenthrift-records" for name in written] == [size < LIGHT_BYTES]
