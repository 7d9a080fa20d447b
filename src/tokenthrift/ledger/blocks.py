"""Fingerprints of requests: equal digests mean equal prefixes.

A request is a tuple of `Block`s: tools and framing first, then one per message, each digest chained
to the one before. Where a provider cuts the tokens into blocks of its own, those that end inside a
message have digests too, by the message's `Piece`. Digests are kept, and no text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tokenthrift.canonical import canonical_text
from tokenthrift.ledger.prompt import (
    DIGEST_BYTES,
    Piece,
    asked_s,
    message_piece,
    shape_of,
    tool_piece,
)
from tokenthrift.ledger.stops import Stop, message_stops, tool_stops
from tokenthrift.opaque import unmarked
from tokenthrift.tokens import REPLY_TOKENS, message_framing, request_framing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenthrift.types import Message, Request, TokenCounter, Usage


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a request: the digest of everything up to its end, and its own tokens.

    Attributes:
        stops: where in it a prefix may end that is cached on demand, with what the request asks
            for there; None takes its end to be marked.
        reply_tokens: of its tokens, those that really stand at the end of the request.
        piece: its tokens themselves; None where they are not known.
        kept_s: how long the request asks for all of it to be kept; of the first block.
    """

    digest: bytes
    tokens: int
    stops: tuple[Stop, ...] | None = None
    reply_tokens: int = 0
    piece: Piece | None = field(default=None, compare=False, repr=False)
    kept_s: float = 0.0


def fingerprint(
    pieces: Iterable[tuple[str, int]], *, scope: str = "", after: Sequence[Block] = ()
) -> tuple[Block, ...]:
    """Blocks of ``(key text, tokens)`` pairs.

    Args:
        pieces: what identifies each piece, and how many tokens it has.
        scope: what never shares a cache with others, such as an account; seeds the chain.
        after: blocks that the pieces continue; they come first in the result (``scope`` is theirs).

    Raises:
        ValueError: a token count is negative.
    """
    blocks = list(after)
    last = blocks[-1].digest if blocks else _link(scope, b"")
    for text, tokens in pieces:
        if tokens < 0:
            raise ValueError(f"piece {len(blocks)} has {tokens} tokens; counts cannot be negative")
        last = _link(text, last)
        blocks.append(Block(last, tokens))
    return tuple(blocks)


def blocks_of(
    request: Request, count: TokenCounter, *, scope: str = "", as_marked: bool = False
) -> tuple[Block, ...]:
    """Blocks of a whole request; their tokens add up to `tokenthrift.tokens.count_request`.

    ``cache_control`` marks are no part of the fingerprint: moving a breakpoint does
    not change the text that is cached.

    Args:
        request: to be cut.
        count: tokens, as its model counts them.
        scope: what never shares a cache with others, such as an account.
        as_marked: whether prefixes end where the request's own marks say; else after any message.
    """
    start = _start(request, scope)
    first, *others = _chain(request, start)
    framing = request_framing(request, count)
    if as_marked:
        made = [Block(first, framing, tool_stops(request, count), REPLY_TOKENS)]
    else:
        before = tool_piece(request, count, start)
        reply_tokens = 0 if before is None else REPLY_TOKENS
        made = [Block(first, framing, None, reply_tokens, before, asked_s(request))]
    for message, digest in zip(request.messages, others, strict=True):
        tokens = message_framing(message, count, request.model)
        tokens += sum(count(p.text) for p in message.parts if p.text and p.type != "tool_call")
        if as_marked:
            place = (made[-1].digest, digest, tokens)
            made.append(Block(digest, tokens, message_stops(request, message, count, place)))
        else:
            piece = message_piece(message, count, request.model, made[-1].digest)
            made.append(Block(digest, tokens, piece=piece))
    return tuple(made)


def digests_of(request: Request) -> list[bytes]:
    """Digests of the request up to the end of its tools and of each message; nothing is counted."""
    return _chain(request, _link("", b""))


def _start(request: Request, scope: str) -> bytes:
    """Digest of what stands before the prompt."""
    start, shape = _link(scope, b""), shape_of(request)
    return start if shape is None else _link(canonical_text(shape), start)


def _chain(request: Request, start: bytes) -> list[bytes]:
    digests = [_link(canonical_text([request.wire, *request.tools_text]), start)]
    for message in request.messages:
        digests.append(_message_digest(message, digests[-1]))
    return digests


def _link(text: str, last: bytes) -> bytes:
    """Digest of ``text`` keyed by the digest before it, so no length marks are needed."""
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=DIGEST_BYTES, key=last).digest()


def _message_digest(message: Message, last: bytes) -> bytes:
    """Digest of all that is said of its parts, with the length of each text, and of the texts."""
    texts: list[str] = []
    said: list[Any] = [message.role, message.framing_text]
    for part in message.parts:
        if part.text == "" and part.call_id is None:
            continue  # no token of it is anywhere
        said += (part.type, part.call_id, part.name)
        if part.text is None:
            said.append(unmarked(part.raw))
        else:
            said.append(len(part.text))
            texts.append(part.text)
    return _link("".join((canonical_text(said), *texts)), last)


def held_blocks(blocks: Sequence[Block], usage: Usage) -> int:
    """How many leading blocks of a sent request its reported cache read covers.

    A provider may hold more than this process knows of: another replica, or a run before a restart,
    sent the prefix. The baseline would then have been held as well, so remember its first blocks
    (``baseline.store(blocks[:held_blocks(sent, usage)], now_s)``) before simulating it; else
    a cold baseline would pass for a saving. The read ends at the nearest boundary, as counts are
    estimates; ties go to the longer prefix, which claims less.
    """
    if usage.cache_read_tokens <= 0 or usage.input_tokens <= 0:
        return 0
    ends = list(accumulate((b.tokens for b in blocks), initial=0))
    read = usage.cache_read_tokens * ends[-1]  # in units of 1 / usage.input_tokens
    return min(range(len(ends)), key=lambda k: (abs(ends[k] * usage.input_tokens - read), -k))
