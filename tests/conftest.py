"""What all tests share: no network beyond loopback, a simulated provider, a key of one's own."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import os
import re
import socket
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from strategies import COUNTED, TIMES
from tokenthrift.serve.simulated import SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from playwright.sync_api import Browser

    from browser import Opener

# litellm reads its bundled price map instead of fetching one.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# A proxy of the machine would stand between the SDKs and the loopback server.
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)

# Speed is measured by benchmarks, not by tests, so no example has a deadline.
# The gate must say the same of the same commit; everywhere else examples are new in each run.
hypothesis.settings.register_profile(
    "tokenthrift", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("tokenthrift")


class NetworkBlockedError(RuntimeError):
    """A test reached for the network."""


def _check(host: Any) -> None:
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost"):
        return
    try:
        if ipaddress.ip_address(str(host).partition("%")[0]).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkBlockedError(f"tests may reach loopback only, not {host!r}")


def _block_network() -> None:
    """Let sockets connect to loopback, and names resolve that are loopback; nothing else."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    sendto, resolve = socket.socket.sendto, socket.getaddrinfo

    def checked(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            _check(address[0])

    def guarded_connect(self: socket.socket, address: Any) -> None:
        checked(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        checked(self, address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, *args: Any) -> int:
        checked(self, args[-1])
        return sendto(self, *args)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return resolve(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign,assignment]
    socket.socket.sendto = guarded_sendto  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = guarded_resolve


def pytest_configure() -> None:
    """Block the network before any test module is imported."""
    _block_network()


_requests: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _count_requests(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[None]:
    """Note how many requests a test of an invariant has made."""
    before = COUNTED["requests"]
    yield
    invariant = re.match(r"Invariant \d+", inspect.getdoc(request.function) or "")
    if invariant and COUNTED["requests"] > before:
        record_property(invariant[0], COUNTED["requests"] - before)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what tests noted, also those that ran in other processes."""
    if report.when == "teardown":
        for name, count in report.user_properties:
            _requests[name] += int(str(count))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In a nightly run, say how many generated requests each invariant was asked of."""
    for name in sorted(_requests) if TIMES > 1 else ():
        terminalreporter.write_line(f"{name}: {_requests[name]:,} generated requests")


@pytest.fixture(scope="session")
def provider() -> Iterator[SimulatedProvider]:
    """A running simulated provider; what it knows is kept apart by API key."""
    with SimulatedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def litellm() -> Iterator[ModuleType]:
    """The module, without its habit of printing hints."""
    from litellm_clients import quiet_litellm

    with quiet_litellm() as module:
        yield module


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser."""
    from browser import launched

    with launched() as browser:
        yield browser


@pytest.fixture
def shown(chromium: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Opens pages in it."""
    from browser import Opener

    opener = Opener(chromium, tmp_path)
    yield opener
    opener.close()


@pytest.fixture
def api_key(request: pytest.FixtureRequest, provider: SimulatedProvider) -> Iterator[str]:
    """An API key of the test's own: its log, totals, cache and faults on `provider` are its own."""
    key = f"sk-test-{blake2b(request.node.nodeid.encode(), digest_size=8).hexdigest()}"
    yield key
    provider.forget(key)


@pytest.fixture(autouse=True)
def _no_loop_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the event loop that litellm makes for itself when it is called without one.

    It would be collected in some later test, and be that test's failure.
    """
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        yield
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)
