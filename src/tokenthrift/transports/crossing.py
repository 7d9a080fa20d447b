"""Attempts of an SDK's client that go to models of other sellers, through litellm.

Whoever answers, the caller gets the types and the exceptions of the SDK that it asked. All wires
meet in Chat, which litellm says to every provider; what Chat cannot say stays with the client's own
seller (`tokenthrift.transports.bridges`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from tokenthrift.errors import BridgeError
from tokenthrift.transports.bridges import BRIDGES
from tokenthrift.transports.crossing_failures import sdk_error
from tokenthrift.transports.litellm_sdk import NO_RETRIES
from tokenthrift.transports.retelling import as_sdk, sdk_of
from tokenthrift.wire.reading import listed, mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenthrift.route import Attempt
    from tokenthrift.transports.posting import AsyncPostTransport, Posting, PostTransport

RAW: Final = "a raw response is the provider's own"


class Elsewhere(Protocol):
    """Where models of other sellers are asked."""

    def seller_of(self, model: str, /) -> str | None:
        """The seller of a model, None where it is not known."""
        ...

    def problem(self, seller: str, /) -> str:
        """Why a seller's models cannot be asked at all; empty if they can."""
        ...


@dataclass(frozen=True, slots=True)
class ThroughLiteLLM:
    """Any seller, with litellm's keys.

    Attributes:
        through: has ``completion`` and ``acompletion``: the litellm module, or a router of it.
        own: the seller that the client itself reaches.
        seller: of a model, None where it is not known.
    """

    through: Any
    own: str
    seller: Callable[[str], str | None]

    def seller_of(self, model: str, /) -> str | None:
        """The seller of a model, None where it is not known."""
        return self.seller(model)

    def problem(self, _seller: str, /) -> str:
        """Nothing: what litellm cannot reach, it says."""
        return ""

    def keywords(
        self, posting: Posting, attempt: Attempt, body: Mapping[str, Any], *, retries: bool
    ) -> dict[str, Any] | None:
        """The arguments of ``completion`` that send a body to another seller's model.

        None where the model is the client's own, or the body stays with the client: its provider
        says best what is wrong.
        """
        model, seller = attempt.model, self.seller_of(attempt.model)
        if seller in (None, self.own) or posting.raw:
            return None
        try:
            chat = chat_for(posting.wire, body, attempt, seller or "")
        except BridgeError:
            return None
        timeout = (posting.given.get("options") or {}).get("timeout")
        chat |= {} if timeout is None else {"timeout": timeout}
        chat |= {} if retries else NO_RETRIES
        name = model if "/" in model else f"{seller}/{model}"
        return {**chat, "model": name, "drop_params": True}


def chat_for(wire: str, body: Mapping[str, Any], attempt: Attempt, speaks: str) -> dict[str, Any]:
    """A body of a wire as Chat says it to one seller.

    Args:
        wire: of the body.
        body: to send.
        attempt: that it is for; its effort may have been said in the words of the wire.
        speaks: the seller, or whose dialect it speaks.

    Raises:
        BridgeError: Chat cannot say all of it.
    """
    chat = BRIDGES[wire].chat(body)
    if attempt.effort is not None:
        chat["reasoning_effort"] = str(attempt.effort)
    if speaks == "anthropic" and _is_in_loop(chat):
        # What the model thought before its calls is gone, and without it more is refused.
        chat.pop("reasoning_effort", None)
    return chat


def _is_in_loop(chat: Mapping[str, Any]) -> bool:
    """Whether the last message answers a call."""
    last = mapped(next(reversed(listed(chat.get("messages"))), None))
    return last.get("role") == "tool"


@dataclass(frozen=True, slots=True)
class CrossingTransport:
    """One call's way through a blocking client, or past it."""

    own: PostTransport
    elsewhere: ThroughLiteLLM

    def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns, or would return."""
        posting = self.own.posting
        keywords = self.elsewhere.keywords(posting, attempt, body, retries=self.own.retries)
        if keywords is None:
            return self.own.complete(attempt, body)
        try:
            return as_sdk(self.elsewhere.through.completion(**keywords), posting, body)
        except Exception as error:
            raise _raised(error, posting) from error

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return self.own.finished(response)


@dataclass(frozen=True, slots=True)
class AsyncCrossingTransport:
    """One call's way through an awaiting client, or past it."""

    own: AsyncPostTransport
    elsewhere: ThroughLiteLLM

    async def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns, or would return."""
        posting = self.own.posting
        keywords = self.elsewhere.keywords(posting, attempt, body, retries=self.own.retries)
        if keywords is None:
            return await self.own.complete(attempt, body)
        try:
            return as_sdk(await self.elsewhere.through.acompletion(**keywords), posting, body)
        except Exception as error:
            raise _raised(error, posting) from error

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return self.own.finished(response)


def _raised(error: Exception, posting: Posting) -> Exception:
    return sdk_error(error, sdk_of(posting.given["cast_to"]), posting.wire)
