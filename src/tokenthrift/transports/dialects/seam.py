"""What a dialect has to know of answers, and the values that it speaks in.

A wire reads and writes bodies; a dialect reads and changes what comes back: whole answers and the
events of streams, as objects of an SDK or as plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tokenthrift.route import Answer

Key: TypeAlias = "tuple[Any, ...]"
"""Which text of an answer a piece belongs to."""


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call of a tool, as an answer asks for it.

    Attributes:
        call_id: that the result must name.
        name: of the tool.
        arguments: JSON, as the model wrote it.
    """

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said in an answer that calls tools.

    Attributes:
        items: as they are sent back: a message, content blocks, or output items.
        calls: all of them, in order.
    """

    items: tuple[Mapping[str, Any], ...]
    calls: tuple[AskedCall, ...]


@dataclass(frozen=True, slots=True)
class Debt:
    """What a provider that holds an answer still waits for, and the caller does not know of.

    Attributes:
        told: the id that the caller has of the answer.
        held: the id by which the provider goes on from it.
        call_ids: calls in it that were taken out and have no result.
    """

    told: str
    held: str
    call_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a text stands in an answer or an event.

    Attributes:
        key: of the text that it is a piece of; empty for a text that stands there whole.
        owner: the object that holds it, under ``name``.
        in_json: what is put into it must be escaped.
    """

    key: Key
    owner: Any
    name: str | int
    in_json: bool = False


class Watch(Protocol):
    """Watches the streams of a call for calls of the recall tool: which events the caller sees.

    Text flows at once. From a recall call on, everything is held back, as another stream goes on
    behind it; the caller sees one stream, with one beginning, one end and one count of its parts.
    """

    debt: Debt | None
    """Once the last stream is over."""

    def feed(self, event: Any, /) -> list[Any]:
        """What the caller is to see now that an event has come; events may be changed."""
        ...

    def end(self) -> tuple[list[Any], Said | None]:
        """The stream is over: what is left to see, and the recall it asks for, if any."""
        ...

    def again(self, *, may_recall: bool) -> None:
        """The next stream of the same call is open."""
        ...


class Dialect(Protocol):
    """How a provider answers. ``answer`` is a whole answer, ``event`` a chunk of a stream."""

    name: str
    """Of the wire."""
    asks_usage: bool
    """Whether streams say their usage only if asked, with ``stream_options``."""
    no_calls: Any
    """The ``tool_choice`` that forbids calls."""

    def usage(self, answer: Any, /) -> dict[str, Any] | None:
        """The usage in an answer or an event, with its service tier; None where there is none."""
        ...

    def opening_usage(self, event: Any, /) -> dict[str, Any] | None:
        """What the first event of a stream says of usage; later ones say the rest."""
        ...

    def without_usage(self, event: Any, /) -> bool:
        """Take the usage out of an event; whether there is still something to show."""
        ...

    def text(self, answer: Any, /) -> str:
        """All that was generated in an answer or an event, to count it."""
        ...

    def answer(self, answer: Any, /) -> Answer | None:
        """A whole answer as checks read it, ended by Chat's words; None for open streams."""
        ...

    def answer_of(self, events: Iterable[Any], /) -> Answer:
        """The same of a stream that was read to its end."""
        ...

    def said(self, answer: Any, /) -> Said | None:
        """What an answer with tool calls says; None where there are none, and for streams."""
        ...

    def without_calls(self, answer: Any, name: str, /) -> None:
        """Take the calls of a tool out of an answer, in place."""
        ...

    def debt(self, answer: Any, name: str, /) -> Debt | None:
        """What taking out the calls of a tool leaves the provider of an answer waiting for."""
        ...

    def going_on_from(self, body: Mapping[str, Any], /) -> str:
        """The id of the held answer that a body goes on from, or nothing."""
        ...

    def paid(self, body: Mapping[str, Any], debt: Debt, /) -> Mapping[str, Any]:
        """A body that goes on from an answer, with what its provider waits for."""
        ...

    def exchange(self, said: Said, name: str, results: Sequence[str], /) -> list[dict[str, Any]]:
        """What is sent behind a conversation: what was said, and the results of a tool's calls.

        Calls of other tools are left out.
        """
        ...

    def going_on(
        self, body: Mapping[str, Any], exchange: Sequence[Mapping[str, Any]], /
    ) -> Mapping[str, Any]:
        """A body with an exchange behind its conversation."""
        ...

    def watch(self, name: str, /) -> Watch:
        """A watch for calls of a tool."""
        ...

    def spots(self, answer: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """Where an answer holds texts that the caller sends back as they are shown.

        Args:
            answer: a whole one, as its JSON or its object.
            json_text: whether its text is JSON.
        """
        ...

    def pieces(self, event: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """The same in an event: pieces of texts, and texts that stand in it whole."""
        ...

    def ended(self, event: Any, /) -> Iterator[Key]:
        """Beginnings of the keys whose texts are over with an event."""
        ...

    def leftover(self, event: Any, key: Key, text: str, /) -> Any:
        """An event like another one that says nothing but one more piece of a text."""
        ...

    def numbered(self, event: Any, number: int, /) -> None:
        """Number an event as the caller sees it, where the dialect numbers events."""
        ...
