"""What a stream has told of its usage, and the text that it brought, to count it otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenthrift.transports.dialects.seam import Dialect


class Meter:
    """Reads answers or the events of one stream.

    Args:
        dialect: that they are in.

    Attributes:
        reported: the usage, once it is whole: what a beginning says of it is not.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._opening: dict[str, Any] = {}
        self._text: list[str] = []
        self.reported: dict[str, Any] | None = None

    @classmethod
    def of(cls, dialect: Dialect, events: Iterable[Any]) -> Meter:
        """A meter that has seen events."""
        meter = cls(dialect)
        for event in events:
            meter.see(event)
        return meter

    def see(self, event: Any) -> None:
        """Read one more event."""
        self._text.append(self._dialect.text(event))
        self._opening = self._dialect.opening_usage(event) or self._opening
        usage = self._dialect.usage(event)
        if usage is not None:
            said = {key: value for key, value in usage.items() if value is not None}
            self.reported = {**self._opening, **said}

    @property
    def text(self) -> str:
        """All that was generated."""
        return "".join(self._text)
