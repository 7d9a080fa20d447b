"""What servers of this package that run in a thread have in common: a port and an address."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

WAITING: Final = 2_048  # connections that wait to be taken


class Listening(ABC):
    """A server that listens between `start` and `stop`; a ``with`` block calls both."""

    noun: ClassVar[str]
    """What it is called in errors."""
    _address: tuple[str, int] | None = None

    @property
    def root_url(self) -> str:
        """Scheme, host and port; what Anthropic's SDK takes as its ``base_url``."""
        if self._address is None:
            raise RuntimeError(f"the {self.noun} is not running; call start() first")
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def base_url(self) -> str:
        """What OpenAI's SDK takes as its ``base_url``."""
        return f"{self.root_url}/v1"

    @abstractmethod
    def start(self) -> Self:
        """Run in a thread, and return once it listens."""

    @abstractmethod
    def stop(self) -> None:
        """End; stopping twice is fine."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self, host: str, port: int) -> socket.socket:
        """A socket that callers may connect to from now on; port 0 takes a free one.

        Raises:
            OSError: the port is taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Named as TCP so that asyncio switches Nagle's algorithm off; else responses wait 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(WAITING)
        except OSError:
            listener.close()
            raise
        self._address = (host, listener.getsockname()[1])
        return listener
