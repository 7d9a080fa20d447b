"""The service on real sockets: in the foreground, or in a thread for tests and benchmarks."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final

from tokenthrift.errors import MissingExtraError, ServeError
from tokenthrift.serve.app import build_app
from tokenthrift.serve.desk import Desk
from tokenthrift.serve.headers import POLICY
from tokenthrift.serve.listening import Listening

if TYPE_CHECKING:
    import socket
    from typing import Self

    import uvicorn

    from tokenthrift.ledger import Ledger
    from tokenthrift.serve.settings import Settings

NEEDED: Final = ("starlette", "uvicorn", "aiohttp")
START_TIMEOUT_S: Final = 30.0
IDLE_S: Final = 75  # a connection without requests; longer than the SDKs keep theirs
HEAD_BYTES: Final = 64 * 1024  # of a request's line and headers
COLLECT_AFTER: Final = (50_000, 20, 20)
"""Objects and rounds between two collections of garbage: calls leave almost none in circles, and
to look for it at Python's usual pace takes a good part of their time."""

BANNER: Final = """\
tokenthrift serves on {url}
  policies    {policies} (the first one unless {header} says otherwise)
  ledger      {ledger}
  keys        {keys}
  providers   {providers}
  base URLs   {url}/v1 for OpenAI's SDK, {url} for Anthropic's
Ctrl+C or SIGTERM stops it; calls under way have {drain_s:g} s to end."""


class Service(Listening):
    """The service, running between `start` and `stop` in a thread, or in `run` until it is stopped.

    Args:
        settings: how it runs.
        ledger: instead of the one that the settings name; it is not closed.

    Raises:
        MissingExtraError: starlette, uvicorn or aiohttp is not installed.
        ServeError: it would listen beyond this machine without keys.
        TokenthriftError: a policy, the ledger or the file of keys cannot be had.
    """

    noun = "service"

    def __init__(self, settings: Settings, *, ledger: Ledger | None = None) -> None:
        _require_extra()
        self.settings = settings
        self.desk = Desk(settings, ledger=ledger)
        self._server = _server(self.desk)
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Run in a thread, and return once it listens.

        Raises:
            ServeError: the port is taken, or it did not come up.
        """
        listener = self._opened()
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="tokenthrift-serve", daemon=True
        )
        self._thread.start()
        until_s = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > until_s or not self._thread.is_alive():
                raise ServeError("the service did not come up; its log says why")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Take no more calls, let those under way end, and close; stopping twice is fine."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._server.should_exit = True
        thread.join(self.settings.drain_s + START_TIMEOUT_S)
        self._address = None

    def run(self) -> None:
        """Run in this thread until SIGTERM or Ctrl+C."""
        listener = self._opened()
        gc.collect()
        gc.freeze()  # what the process begins with stays
        gc.set_threshold(*COLLECT_AFTER)
        print(self._banner(), file=sys.stderr, flush=True)  # noqa: T201 - of a foreground server
        self._server.run([listener])

    def _opened(self) -> socket.socket:
        host, port = self.settings.host, self.settings.port
        try:
            return self._listen(host, port)
        except OSError as error:
            why = error.strerror or error
            raise ServeError(f"cannot listen on {host}:{port}: {why}") from error

    def _banner(self) -> str:
        desk = self.desk
        providers = ", ".join(
            f"{u.name} ({'key' if u.key else 'no key'})" for u in self.settings.upstreams
        )
        return BANNER.format(
            url=self.root_url,
            policies=", ".join(desk.accounts),
            header=POLICY,
            ledger=self.settings.ledger,
            keys=self.settings.keys or "none: whoever reaches the port may call",
            providers=providers,
            drain_s=self.settings.drain_s,
        )


def _server(desk: Desk) -> uvicorn.Server:
    import uvicorn

    class DrainingServer(uvicorn.Server):
        """Says that it takes no more calls as soon as it is told to stop."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            desk.is_draining = True
            await super().shutdown(sockets)

    config = uvicorn.Config(
        build_app(desk),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=max(1, round(desk.settings.drain_s)),
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a stream cut on purpose
    return DrainingServer(config)


def _require_extra() -> None:
    for module in NEEDED:
        try:
            import_module(module)
        except ImportError as exc:
            raise MissingExtraError(module, "serve") from exc
