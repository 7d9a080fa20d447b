"""A provider that is labelled as simulated and otherwise behaves like a real one, on real sockets.

`SimulatedProvider` runs it in a thread, for tests and benchmarks; ``python -m
tokenthrift.serve.simulated`` runs it in the foreground. It speaks OpenAI Chat Completions, OpenAI
Responses and Anthropic Messages, counts tokens for real, accounts for the prefix cache, and fails
on demand. There is no model behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final

from tokenthrift.errors import MissingExtraError
from tokenthrift.serve.listening import Listening
from tokenthrift.serve.simulated_app import LABEL, build_app
from tokenthrift.serve.simulated_desk import DIALECTS, Desk
from tokenthrift.serve.simulated_faults import Fault, FaultBook

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    import uvicorn

    from tokenthrift.serve.simulated_accounts import Exchange
    from tokenthrift.serve.simulated_types import Answers
    from tokenthrift.types import Usage

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 10.0
GRACE_S: Final = 2  # seconds uvicorn waits for responses under way

BANNER: Final = """\
tokenthrift SIMULATED provider: no model behind it, every answer is made up.
  base URL   {base_url} (Anthropic's SDK: {root_url})
  serves     {paths}
  API key    any; it names your log, totals, cache and faults (none is checked)
  faults     {faults}
  control    x-simulate-* headers; /simulate/faults and /simulate/account
  label      {label}: {value} on every response
Ctrl+C stops it."""


class SimulatedProvider(Listening):
    """The simulated provider, running in a thread of this process between `start` and `stop`.

    Args:
        answers: a script, called with each parsed body; None answers restate the request.
        faults: switched on for every key, as ``Fault.parse`` reads them.
        seed: of faults with a rate.
        models: context windows in tokens by model name; None serves any name without a window.
        clock: seconds since the epoch; drives the cache's lifetime and ``created``.

    Raises:
        MissingExtraError: starlette or uvicorn is not installed.
        ValueError: a fault does not parse.
    """

    noun = "simulated provider"

    def __init__(
        self,
        *,
        answers: Answers | None = None,
        faults: Sequence[str] = (),
        seed: int = 0,
        models: Mapping[str, int] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _require_extra()
        rules = tuple(Fault.parse(spec) for spec in faults)
        self.desk = Desk(clock, answers, models, FaultBook(rules, seed))
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None

    def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Run in a thread, and return once it listens; port 0 takes a free one.

        Raises:
            RuntimeError: it runs already, or did not come up.
            OSError: the port is taken.
        """
        if self._thread is not None:
            raise RuntimeError("the simulated provider is running already")
        listener = self._listen(host, port)
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="simulated-provider", daemon=True
        )
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S) or self._loop is None:
            self._thread = None
            raise RuntimeError("the simulated provider did not come up")
        return self

    def stop(self) -> None:
        """End held requests, close connections and wait for the thread; stopping twice is fine."""
        thread, self._thread = self._thread, None
        if thread is None or self._server is None:
            return
        self._server.should_exit = True
        if self._loop is not None and self._closing is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        thread.join(STOP_TIMEOUT_S)
        self._started.clear()
        self._loop = self._address = None

    def run(self, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Run in this thread until interrupted."""
        listener = self._listen(host, port)
        rules, _ = self.desk.faults.of("")
        banner = BANNER.format(
            base_url=self.base_url,
            root_url=self.root_url,
            paths=", ".join(d.path for d in DIALECTS),
            faults="; ".join(map(str, rules)) or "none",
            label=LABEL[0],
            value=LABEL[1],
        )
        print(banner, file=sys.stderr, flush=True)  # noqa: T201 - the banner of a foreground server
        self._run(listener)

    def requests(self, key: str) -> tuple[Exchange, ...]:
        """Every request of an API key, in order of arrival."""
        return self.desk.accounts.requests(key)

    def totals(self, key: str) -> Usage:
        """What an API key truly used."""
        return self.desk.accounts.totals(key)

    def by_model(self, key: str) -> dict[str, Usage]:
        """What an API key truly used of each model."""
        return self.desk.accounts.by_model(key)

    def set_faults(self, key: str, *specs: str, seed: int | None = None) -> None:
        """Switch faults on for one API key; none switches them off."""
        self.desk.faults.set(key, [Fault.parse(s) for s in specs], seed)

    def forget(self, key: str) -> None:
        """Start afresh with an API key: its log, totals, cache and faults."""
        self.desk.forget(key)

    def _run(self, listener: socket.socket) -> None:
        import uvicorn

        self._closing = asyncio.Event()
        app = build_app(self.desk, self._closing, self._begun)
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="critical",  # cutting a connection on purpose is an error to uvicorn
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = uvicorn.Server(config)
        try:
            self._server.run(sockets=[listener])
        finally:
            listener.close()
            self._started.set()  # whoever waits in start() need not wait for a failure

    def _begun(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started.set()


def _require_extra() -> None:
    for module in ("starlette", "uvicorn"):
        try:
            import_module(module)
        except ImportError as exc:
            raise MissingExtraError(module, "serve") from exc


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulated provider in the foreground."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenthrift.serve.simulated", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=8000, help="port to listen on; 0 takes a free one"
    )
    parser.add_argument("--seed", type=int, default=0, help="of faults with a rate")
    parser.add_argument(
        "--fault", action="append", default=[], help="name[:param][,times=N][,rate=P]; repeatable"
    )
    options = parser.parse_args(argv)
    try:
        SimulatedProvider(faults=options.fault, seed=options.seed).run(options.host, options.port)
    except ValueError as exc:
        parser.error(str(exc))
    except OSError as exc:
        parser.error(f"cannot listen on {options.host}:{options.port}: {exc}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
