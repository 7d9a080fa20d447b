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


async def kept_or_undone(work: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Do something in a worker thread; undone there if its task is cancelled while it runs.

    A thread cannot be stopped, and whoever was cancelled will not take what it made.
    """
    lock = threading.Lock()
    made: list[T] = []
    is_left = False

    def first() -> None:
        found = work()
        with lock:
            made.append(found)
            late = is_left
        if late:
            undo(found)

    try:
        await run_sync(first)
    except BaseException:
        with lock:
            is_left = True
            found = list(made)
        for one in found:
            undo(one)
        raise
    return made[0]
