"""Tags for all calls of a block: who and what they are for, without passing it along.

Kept in a context variable, so tasks and the threads that asyncio and anyio start for them inherit
the tags of the block they were started in; a bare `threading.Thread` starts without any.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})

_current: ContextVar[Mapping[str, str]] = ContextVar("tokenthrift_tags", default=NO_TAGS)


@contextmanager
def tags(given: Mapping[str, str] = NO_TAGS, /, **named: str) -> Iterator[Mapping[str, str]]:
    """Tag every call that begins inside the ``with`` block.

    Blocks nest: inner ones add to outer ones, and of the same name the inner value counts. A tag of
    the block wins over the client's own, a tag of the call over both.

    Args:
        given: tags whose names are no identifiers, e.g. ``{"cost-centre": "7"}``.
        named: the others. Usual are user, team, app, feature, session and environment.

    Yields:
        All tags that hold in the block.

    Raises:
        TypeError: a name or a value is not a text.
    """
    added = {**given, **named}
    for name, value in added.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"tag {name!r} is {value!r}; names and values of tags are texts")
    inside = MappingProxyType({**_current.get(), **added})
    token = _current.set(inside)
    try:
        yield inside
    finally:
        _current.reset(token)


def context_tags() -> Mapping[str, str]:
    """The tags of the blocks that this runs in."""
    return _current.get()
