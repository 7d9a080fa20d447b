"""Work that must not block an event loop, and must be done although its task is cancelled."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def once_in_thread(work: Callable[[], T]) -> T:
    """Do something exactly once: in a worker thread, or here if the task is cancelled before.

    A call that was answered has been paid for, so its record is written whoever gives up waiting.
    """
    begun = threading.Lock()
    results: list[T] = []

    def first() -> None:
        if begun.acquire(blocking=False):
            results.append(work())

    try:
        await run_sync(first)
    except BaseException:
        first()
        raise
    return results[0]
