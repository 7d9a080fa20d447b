"""Light calls: those that are planned and accounted for on the event loop itself.

A hop to a thread and back costs about as much as the plan of a short request. So where a policy
only computes, short requests are planned where they came in, and only their records are written by
a thread of their own, which takes all that are waiting at once.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

from anyio.to_thread import run_sync

from tokenthrift.encodings import token_ids
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.client.account import Account
    from tokenthrift.client.drive import Aside
    from tokenthrift.serve.relay import Inbound

LIGHT_BYTES: Final = 16 * 1024  # about 4,000 tokens, planned and booked in a few milliseconds

Work: TypeAlias = "tuple[Callable[[], None], asyncio.Future[None]]"


class Light:
    """Tells which calls are light, and writes their records. One for each event loop."""

    def __init__(self) -> None:
        self._loaded: set[str] = set()
        self._works: SimpleQueue[Work | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def load(self, model: str) -> None:
        """Load the tokenizer of a model, which takes too long for the event loop."""
        name = counter_for(model).encoding_name
        token_ids(name).counts("Hello?", [6])
        self._loaded.add(name)

    async def aside(self, account: Account, inbound: Inbound) -> Aside | None:
        """What writes the record of a light call; None where the call is not light."""
        if len(inbound.raw) > LIGHT_BYTES or not only_computes(account):
            return None
        model = str(inbound.body.get("model") or "")
        if counter_for(model).encoding_name not in self._loaded:
            await run_sync(self.load, model)
        return self.write

    async def write(self, work: Callable[[], None]) -> None:
        """Have something written by the thread, and wait for it; it is written all the same."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tokenthrift-records")
            self._thread.daemon = True
            self._thread.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._works.put((work, done))
        await done

    def close(self) -> None:
        """Wait until everything is written."""
        if self._thread is not None:
            self._works.put(None)
            self._thread.join()
            self._thread = None

    # ------------------------------------------------------------------------------------ inside
    def _run(self) -> None:
        while (work := self._works.get()) is not None:
            works, is_over = [work], False
            with suppress(Empty):
                while (more := self._works.get_nowait()) is not None:
                    works.append(more)
                is_over = True
            self._write(works)
            if is_over:
                return

    def _write(self, works: list[Work]) -> None:
        for work, _ in works:
            work()
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            works[0][1].get_loop().call_soon_threadsafe(_tell, works)


def only_computes(account: Account) -> bool:
    """Whether a plan of an account waits for nothing: no store, encoder, detector or check."""
    policy = account.policy
    keeps = policy.recall.offer or policy.recall.store is not None
    asks = policy.encoder is not None or account.redacts or account.verifies
    return not (keeps or asks or account.allowance.is_limited)


def _tell(works: list[Work]) -> None:
    for _, done in works:
        if not done.done():
            done.set_result(None)
