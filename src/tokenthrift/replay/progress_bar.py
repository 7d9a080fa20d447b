"""A progress bar for replays, on stderr and only where that is a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from tokenthrift.replay.running import Progress as Reached


@contextmanager
def progress_bar(console: Console, *, shown: bool) -> Iterator[Callable[[Reached], None]]:
    """A bar while the context is open, and what to call when there is progress.

    Args:
        console: where it is drawn; nothing is drawn on what is no terminal.
        shown: False draws nothing anywhere.
    """
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.description}"),
        TimeRemainingColumn(),
    )
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=1.0)

        def advance(reached: Reached) -> None:
            said = f"{reached.lines:,} lines, {reached.requests:,} requests"
            bar.update(task, completed=reached.share, description=said)

        yield advance
