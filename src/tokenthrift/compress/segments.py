"""`split` a request into segments and frames, `join` them back, and say what is protected.

`join(split(r)) == r` for every request; what no edit touched is the caller's own object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tokenthrift import wire
from tokenthrift.compress.kinds import pieces
from tokenthrift.tokens import message_framing, request_framing
from tokenthrift.types import RESULT, Frame, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tokenthrift.types import Kind, Message, Path, Request, Role, TokenCounter

# A long user message is data with an ask around it: its first and last paragraph, up to this many
# characters, are the ask; what lies between is open.
ASK_CHARACTERS: Final = 1_500
LONG_MESSAGE_CHARACTERS: Final = 4_000

SYSTEM: Final = "system text"
LATEST: Final = "latest user text"
ASSISTANT: Final = "assistant text"
# What a window protects of most messages; where it does not, `protect` says so.
BY_ROLE: Final = {"system": SYSTEM, "assistant": ASSISTANT}

_BREAK = re.compile(r"\n[ \t]*\n")
_LINE = re.compile(r"\n")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Parts:
    """Messages taken apart.

    Attributes:
        base_tokens: of tool schemas and the primed reply.
    """

    segments: tuple[Segment, ...]
    frames: tuple[Frame, ...]
    base_tokens: int

    @property
    def begin(self) -> int:
        """Index of the first message."""
        return self.frames[0].message if self.frames else 0

    @property
    def end(self) -> int:
        """Index behind the last message."""
        return self.frames[-1].message + 1 if self.frames else 0

    @property
    def tokens(self) -> int:
        """Tokens of segments and frames."""
        return sum(s.tokens for s in self.segments) + sum(f.tokens for f in self.frames)

    def by_turn(self) -> Iterator[Parts]:
        """What each turn sends for the first time; each has messages."""
        at = 0
        for turn, frames in groupby(self.frames, _turn):
            first = at
            while at < len(self.segments) and self.segments[at].turn == turn:
                at += 1
            yield Parts(self.segments[first:at], tuple(frames), self.base_tokens)


_turn = attrgetter("turn")


def turns_of(messages: Sequence[Message]) -> list[int]:
    """The turn in which each message is first sent.

    A turn is a maximal run of non-assistant messages; an assistant message is sent for the first
    time together with the run that follows it.
    """
    turns: list[int] = []
    turn = 0
    for before, message in zip((None, *messages), messages, strict=False):
        if message.role == "assistant" and before is not None and before.role != "assistant":
            turn += 1
        turns.append(turn)
    return turns


def split(
    request: Request, count: TokenCounter, first_turn: int = 0, *, as_given: bool = False
) -> Parts:
    """Take a request apart, from a turn on.

    Segments of a part cover its text without gaps. Empty texts have no segment.

    Args:
        request: to be taken apart.
        count: tokens of a text.
        first_turn: what turns before it sent is left out.
        as_given: whether nothing will be changed, so that no text is looked into: each part is one
            segment of prose.
    """
    turns = turns_of(request.messages)
    groups = _groups(request.messages)
    segments: list[Segment] = []
    frames = []
    for message, turn, group in zip(request.messages, turns, groups, strict=True):
        if turn < first_turn:
            continue
        frames.append(
            Frame(
                message=message.index,
                role=message.role,
                turn=turn,
                tokens=message_framing(message, count, request.model),
                group=group,
                pinned=message.pinned,
            )
        )
        segments += _segments(message, turn, count, as_given=as_given)
    base = request_framing(request, count)
    return Parts(tuple(segments), tuple(frames), base)


def _groups(messages: Sequence[Message]) -> list[int]:
    """A tool call, its results and what is tied to it share a number; others have their own."""
    groups: list[int] = []
    owner: int | None = None
    for message in messages:
        group = groups[-1] if message.tied and groups else message.index
        if message.role == "assistant":
            calls = any(p.type == "tool_call" for p in message.parts)
            owner = group if calls or owner == group else None
        elif message.role != "tool":
            owner = None
        groups.append(owner if message.role == "tool" and owner is not None else group)
    return groups


def _segments(message: Message, turn: int, count: TokenCounter, *, as_given: bool) -> list[Segment]:
    index, role = message.index, message.role
    spans: list[tuple[int, str, tuple[int, int, Kind], int]] = []
    for number, part in enumerate(message.parts):
        text = part.text
        if text and part.type in ("text", "tool_result"):
            cuts = [_as_given(text)] if as_given else _cuts(text, role)
            counts = count.apart(text, [end for _, end, _ in cuts])
            spans += [(number, text, *pair) for pair in zip(cuts, counts, strict=True)]
    why = "" if as_given else BY_ROLE.get(role, "")
    alone = len(spans) == 1
    segments = []
    for n, (number, whole, (start, end, kind), tokens) in enumerate(spans):
        text = whole[start:end]
        name = f"m{index}" if alone else f"m{index}.{n}"
        span = (start, end)
        segments.append(
            Segment(name, index, number, span, kind, role, turn, text, text, tokens, why)
        )
    return segments


def _as_given(text: str) -> tuple[int, int, Kind]:
    return 0, len(text), "prose"


def _cuts(text: str, role: Role) -> Sequence[tuple[int, int, Kind]]:
    cuts = pieces(text)
    if role == "user" and len(text) > LONG_MESSAGE_CHARACTERS:
        return _around_the_data(text, cuts)
    return cuts


def _around_the_data(
    text: str, cuts: Sequence[tuple[int, int, Kind]]
) -> list[tuple[int, int, Kind]]:
    """Cut the first and the last paragraph (or line) of a long text off as pieces of their own."""
    borders = set()
    body = len(text.rstrip())
    begin = max(0, body - ASK_CHARACTERS)
    for border in (_BREAK, _LINE, _SPACE):
        head = border.search(text, ASK_CHARACTERS // 2 if border is _SPACE else 0, ASK_CHARACTERS)
        if head:
            borders.add(head.end())
            break
    for border in (_BREAK, _LINE, _SPACE):
        tails = border.finditer(text, begin, body)
        tail = next(tails, None) if border is _SPACE else max(tails, key=_end, default=None)
        if tail:
            borders.add(tail.end())
            break
    out: list[tuple[int, int, Kind]] = []
    for start, end, kind in cuts:
        inner = sorted(b for b in borders if start < b < end) if kind != "json" else []
        edges = [start, *inner, end]
        out += [(a, b, kind) for a, b in pairwise(edges)]
    return out


def _end(match: re.Match[str]) -> int:
    return match.end()


def protect(
    segments: Iterable[Segment],
    *,
    first_turn: int,
    last_turn: int,
    assistant: bool,
    results: bool = False,
) -> tuple[Segment, ...]:
    """Mark what may not be altered when the turns from first to last are open.

    Args:
        segments: everything up to the end of ``last_turn``.
        first_turn: where the window begins; segments before it are left as they are.
        last_turn: where it ends.
        assistant: whether the model's own text is protected too.
        results: whether user messages bring the results of the model's commands.
    """
    everything = tuple(segments)
    latest = max(
        (s.message for s in everything if s.role == "user" and s.turn <= last_turn), default=-1
    )
    ask = [s for s in everything if s.message == latest]
    if len(ask) > 1 and sum(len(s.original) for s in ask) > LONG_MESSAGE_CHARACTERS:
        ask = [s for s in (ask[0], ask[-1]) if len(s.original) <= ASK_CHARACTERS]
    asked = {s.id for s in ask}
    why_asked = RESULT if results else LATEST
    why_assistant = ASSISTANT if assistant else ""
    out = []
    for segment in everything:
        if segment.turn >= first_turn:
            why = ""
            if segment.role == "system":
                why = SYSTEM
            elif segment.id in asked:
                why = why_asked
            elif segment.role == "assistant":
                why = why_assistant
            if segment.protected != why:
                segment = segment.protected_as(why)  # noqa: PLW2901
        out.append(segment)
    return tuple(out)


def join(request: Request, segments: Iterable[Segment], removed: frozenset[int]) -> Request:
    """Put a request back together; the same object where nothing changed."""
    texts: dict[tuple[int, int], list[str]] = {}
    for segment in segments:
        texts.setdefault((segment.message, segment.part), []).append(segment.text)
    changed: dict[Path, str] = {}
    messages = list(request.messages)
    for (number, place), own in texts.items():
        if number in removed:
            continue
        message = messages[number]
        part = message.parts[place]
        text = "".join(own)
        if text != part.text:
            changed[part.path] = text
            parts = list(message.parts)
            parts[place] = replace(part, text=text)
            messages[number] = replace(message, parts=tuple(parts))
    if not changed and not removed:
        return request
    body = wire.write(request, changed, removed)
    if removed:  # all that stands behind has another place
        return wire.read(body, request.wire)
    return replace(request, body=body, messages=tuple(messages))
