"""What an action is expected to cost, net: this call by the state of the caches, and what follows.

A switch is priced where it hurts: the new model's cache is cold, and all that follows re-reads the
conversation at its prices. List prices with their tiers by size; None where a price is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.catalog import cost
from tokenthrift.types import Money, Usage
from tokenthrift.wire import marks_cache

if TYPE_CHECKING:
    from tokenthrift.catalog import ModelCard
    from tokenthrift.types import Request

# Answers of a conversation that its next one is expected to be like, and bytes of a token of them.
ANSWERS_SEEN: Final = 8
BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Load:
    """What an action asks a model to process.

    Attributes:
        input_tokens: of the request, as sent.
        output_tokens: predicted of the answer, reasoning included.
        reasoning_tokens: the hidden part of them.
        cached_tokens: of the input, in the model's cache.
        caches: whether the provider will cache the request: what it does not read, it writes.
    """

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    caches: bool = False

    def usage(self) -> Usage:
        """As a usage, estimated."""
        read = min(max(0, self.cached_tokens), self.input_tokens) if self.caches else 0
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=read,
            cache_write_tokens=self.input_tokens - read if self.caches else 0,
            reasoning_tokens=min(self.reasoning_tokens, self.output_tokens),
            estimated=True,
        )


def is_cached(request: Request, tokens: int, card: ModelCard) -> bool:
    """Whether a provider's prompt cache takes a request: unasked, or up to what is marked."""
    rule = card.cache
    if rule is None or tokens < rule.min_tokens:
        return False
    return rule.mode == "block" or marks_cache(request.body)


def expected_cost(card: ModelCard, load: Load) -> Money | None:
    """What a call is expected to cost on a model."""
    return cost(load.usage(), card)


def owed(card: ModelCard, load: Load) -> int:
    """Nano-dollars that a return to a model costs later for what it would cache now.

    Whoever leaves a warm model does not save the writing of what is new: it waits there for the
    day the conversation comes back. Nothing where the model is cold: there is nothing to leave.
    """
    if not load.caches or min(load.cached_tokens, load.input_tokens) <= 0:
        return 0
    usage = load.usage()
    new = Usage(input_tokens=usage.cache_write_tokens, cache_write_tokens=usage.cache_write_tokens)
    paid = cost(new, card)
    return 0 if paid is None else paid.nanos


@dataclass(frozen=True, slots=True)
class Answers:
    """The latest answers of a conversation.

    Attributes:
        count: how many.
        tokens: of all of them, estimated from their size.
    """

    count: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, request: Request) -> Answers:
        """The answers in a request, its latest `ANSWERS_SEEN`; texts and calls of tools count."""
        count = size = 0
        before = ""
        for message in reversed(request.messages):
            if message.role == "assistant":
                count += before != "assistant"
                if count > ANSWERS_SEEN:
                    break
                size += sum(len((p.text or "").encode()) for p in message.parts)
            before = message.role
        return cls(min(count, ANSWERS_SEEN), size // BYTES_PER_TOKEN)

    def expected(self, forecast: int) -> int:
        """Tokens expected of the next answer: those so far, and a forecast as one more of them."""
        return round((forecast + self.tokens) / (1 + self.count))


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a conversation is expected to go on.

    Attributes:
        requests: that are expected to follow.
        growth_tokens: by which each is longer than the one before.
    """

    requests: float = 0.0
    growth_tokens: int = 0

    @classmethod
    def of(cls, request: Request, tokens: int, expected_share: float) -> Outlook:
        """The outlook of a request: as it went so far, for a share of that time.

        Args:
            request: its answers tell how many requests there were.
            tokens: of it.
            expected_share: of the answers so far, how many are still to come.
        """
        answers = sum(1 for m in request.messages if m.role == "assistant")
        return cls(expected_share * answers, tokens // (answers + 1))


def following_cost(card: ModelCard, load: Load, outlook: Outlook) -> Money | None:
    """What the requests that are expected to follow cost, if they stay on this model.

    All of them as the middle one of them: it re-reads what was there, and writes what is new.
    """
    if not outlook.requests:
        return Money()
    middle = load.input_tokens + round(outlook.growth_tokens * (outlook.requests + 1) / 2)
    follower = Load(
        input_tokens=middle,
        output_tokens=load.output_tokens,
        reasoning_tokens=load.reasoning_tokens,
        cached_tokens=middle - outlook.growth_tokens,
        caches=load.caches,
    )
    one = expected_cost(card, follower)
    return None if one is None else Money(round(one.nanos * outlook.requests))
