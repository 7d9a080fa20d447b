"""A real redis-server on loopback and a free port, for tests; nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import redis

from programs import program

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

START_S = 20.0


class RedisServer:
    """A server that tests can stop, start again at the same place, and make hang.

    Args:
        folder: of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._program = program("redis-server")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it with nothing in it, and wait until it answers."""
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder))
        log = self._folder / "redis.log"
        keeps_nothing = ("--save", "", "--appendonly", "no", "--logfile", str(log))
        self._process = subprocess.Popen([self._program, *where, *keeps_nothing])
        give_up_s = time.monotonic() + START_S
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    assert self._process.poll() is None, log.read_text()
                    assert time.monotonic() < give_up_s, "redis-server does not answer"
                    time.sleep(0.02)
                else:
                    return

    def stop(self) -> None:
        """End it; connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Let it take connections and never answer."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
