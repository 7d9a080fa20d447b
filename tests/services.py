"""Services in front of the simulated provider, for tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tokenthrift.ledger import MemoryLedger
from tokenthrift.serve.running import Service
from tokenthrift.serve.settings import Settings, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.serve.simulated import SimulatedProvider


def upstreams_at(provider: SimulatedProvider) -> tuple[Upstream, ...]:
    """The simulated provider as OpenAI and as Anthropic; callers' keys go on to it."""
    return (
        Upstream(name="openai", base_url=provider.base_url),
        Upstream(name="anthropic", base_url=provider.base_url, speaks="anthropic"),
    )


@contextmanager
def serving(provider: SimulatedProvider, *policies: Any, **settings: Any) -> Iterator[Service]:
    """A service on a free port, over a ledger in memory."""
    given = {"policies": policies or ("balanced",), "port": 0, "upstreams": upstreams_at(provider)}
    with Service(Settings(**(given | settings)), ledger=MemoryLedger()) as running:
        yield running


def policy_at(folder: Path, name: str, text: str) -> str:
    """A policy's file."""
    path = folder / f"{name}.yaml"
    path.write_text(f"version: 1\nname: {name}\n{text}", encoding="utf-8")
    return str(path)


def records(service: Service, api_key: str) -> list[LedgerRecord]:
    """What stands in the ledger of one test's calls."""
    return list(service.desk.ledger.records(tags={"test": api_key}))


def closing(clients: list[Any]) -> Any:
    """A fixture of a module: closes the clients that a test has opened."""

    @pytest.fixture(autouse=True)
    def closed() -> Iterator[None]:
        yield
        while clients:
            clients.pop().close()

    return closed
