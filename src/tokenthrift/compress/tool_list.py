"""The tools of a request: compacted, and where the policy says so, chosen by the first turn.

What is sent is a function of the tools and of the conversation's first turn, so the list, which
providers cache ahead of everything else, stays the same from the first request to the last. Only a
tool that is called or asked for although it was left out comes back.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tokenthrift import wire
from tokenthrift.compress.question import question_of
from tokenthrift.compress.relevance import Units
from tokenthrift.compress.relevance.rungs import Question, score_units
from tokenthrift.compress.segments import turns_of
from tokenthrift.compress.tool_schemas import Compacted, compacted
from tokenthrift.draft import REQUEST, Edit, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Self

    from tokenthrift.types import Request, TokenCounter, Tool

TOOLS: Final = "tools"  # the name of the step
KNOWN_SCHEMAS: Final = 2_048
KNOWN_CHOICES: Final = 64

_NAME = re.compile(r"[\w.-]*[\w-]")


class Choose(BaseModel):
    """Which tools a conversation is offered, by the words of its first turn."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at_least: int = Field(default=32, ge=1)
    """So many of the most relevant stay, whatever their size; a shorter list stays as it is."""
    max_tokens: int | None = Field(default=None, ge=1)
    """More of them stay, the most relevant first, as long as all together have no more tokens than
    this. None: no more stay."""


class Tools(BaseModel):
    """What is done to tool schemas; they are sent with every request."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    compact: bool = False
    """Whether keywords and white space that say nothing are left out; the same validates."""
    description_tokens: int | None = Field(default=None, ge=8)
    """With ``compact``: longer descriptions are cut at the end of a sentence. None: none is."""
    choose: Choose | None = None
    """Offer only tools that the first turn has to do with. None: all of them."""

    @property
    def changes_nothing(self) -> bool:
        """Whether every tool list goes out as it is."""
        return not self.compact and self.choose is None

    @model_validator(mode="after")
    def _cuts_what_it_compacts(self) -> Self:
        if self.description_tokens is not None and not self.compact:
            raise ValueError("description_tokens needs compact: true")
        return self


def fit_tools(
    request: Request, policy: Tools, count: TokenCounter, *, raise_errors: bool = False
) -> tuple[Request, tuple[Step, ...]]:
    """The request with the tools that the policy leaves, and the step that did it.

    Args:
        request: the caller's; where nothing changes it comes back as it is.
        policy: what to do.
        count: counts schemas; one that would not shrink stays the caller's own object.
        raise_errors: as a policy's ``on_stage_error: raise``.
    """
    if policy.changes_nothing or not request.tools_text:
        return request, ()
    try:
        after, step = _fitted(request, policy, count)
    except Exception as error:
        if raise_errors:
            raise
        size = sum(map(count, request.tools_text))
        said = f"{type(error).__name__}: {error}"[:300]
        return request, (Step(TOOLS, REQUEST, size, size, error=said),)
    return after, (step,)


def _fitted(request: Request, policy: Tools, count: TokenCounter) -> tuple[Request, Step]:
    tools = wire.tools_of(request)
    removed, note = (frozenset[int](), "")
    if policy.choose is not None:
        removed, note = _left_out(request, tools, policy.choose, count)
    made = {n: m for n, m in _compacted(tools, policy, count).items() if n not in removed}
    after = _written(request, made, removed)
    texts = _texts_after(request, after, removed)
    larger = [n for n in made if count(texts[n]) >= count(request.tools_text[n])]
    if larger:  # by a token at a border that only the whole entry shows
        made = {n: m for n, m in made.items() if n not in larger}
        after = _written(request, made, removed)
        texts = _texts_after(request, after, removed)
    edits = [
        Edit(f"t{n}", "remove", "", f"{tools[n].name}: the first turn has little to do with it", 2)
        for n in sorted(removed)
    ]
    edits += [
        Edit(f"t{n}", "replace", texts[n], f"{tools[n].name}: {m.reason}", 2 if m.shortened else 1)
        for n, m in made.items()
    ]
    notes = [("", note)] if note else []
    if not edits:
        notes.append(("", "the tools say nothing twice"))
    step = Step(
        TOOLS,
        REQUEST,
        sum(map(count, request.tools_text)),
        sum(map(count, after.tools_text)),
        edits=tuple(edits),
        notes=tuple(notes),
    )
    return after, step


# --------------------------------------------------------------------------------------- compacting
def _compacted(tools: tuple[Tool, ...], policy: Tools, count: TokenCounter) -> dict[int, Compacted]:
    """Smaller functions by the place of their tool."""
    if not policy.compact:
        return {}
    found: dict[int, Compacted] = {}
    for n, tool in enumerate(tools):
        if tool.function is None:
            continue
        try:
            text = json.dumps(tool.function, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            continue  # no JSON: the SDK's to send or to refuse
        if json.loads(text) != tool.function:
            continue  # what is sent would be another's reading of it
        known = _known((text, tool.strict), policy.description_tokens, count)  # type: ignore[arg-type]  # counters are shared objects
        if known is not None:
            # A copy of its own: SDKs are known to write into what they are given.
            after, made = known
            found[n] = replace(made, function=json.loads(after))
    return found


@lru_cache(maxsize=KNOWN_SCHEMAS)
def _known(
    tool: tuple[str, bool], description_tokens: int | None, count: TokenCounter
) -> tuple[str, Compacted] | None:
    """What a schema that is sent with every request becomes, as text; worked out once."""
    text, strict = tool
    function = json.loads(text)
    made = compacted(function, count, strict=strict, description_tokens=description_tokens)
    return None if made is None else (json.dumps(made.function, ensure_ascii=False), made)


def _written(request: Request, made: Mapping[int, Compacted], removed: Collection[int]) -> Request:
    if not made and not removed:
        return request
    functions = {n: m.function for n, m in made.items()}
    return wire.read(wire.with_tools(request, functions, removed), request.wire)


def _texts_after(request: Request, after: Request, removed: Collection[int]) -> dict[int, str]:
    """What each tool that is left reads afterwards, by its place before."""
    places = (n for n in range(len(request.tools_text)) if n not in removed)
    return dict(zip(places, after.tools_text, strict=True))


# ----------------------------------------------------------------------------------------- choosing
def _left_out(
    request: Request, tools: tuple[Tool, ...], choose: Choose, count: TokenCounter
) -> tuple[frozenset[int], str]:
    """Places of the tools that are not offered, and why none is, where that needs saying."""
    choosable = tuple(n for n, tool in enumerate(tools) if tool.function is not None and tool.name)
    if len(choosable) <= choose.at_least:
        return frozenset(), f"all tools stay: there are no more than {choose.at_least}"
    question, setting = _first_turn(request)
    if not question:
        return frozenset(), "all tools stay: the first turn has no user text to choose by"
    texts = tuple(_about(tools[n]) for n in choosable)
    ranked = _ranked(question, setting, texts, tuple(map(count, texts)))
    if ranked is None:
        return frozenset(), "all tools stay: the first turn has to do with none of them"
    sizes = tuple(map(count, request.tools_text))
    kept = set(range(len(tools))) - set(choosable)
    total = sum(sizes[n] for n in kept)
    for rank, (place, relevant) in enumerate(ranked):
        n = choosable[place]
        fits = choose.max_tokens is not None and total + sizes[n] <= choose.max_tokens
        if rank < choose.at_least or (relevant and fits):
            kept.add(n)
            total += sizes[n]
    named = wire.forced_tools(request) | _called(request)
    said = frozenset(_NAME.findall(f"{question}\n{setting}"))
    kept |= {n for n in choosable if tools[n].name in named | said}
    return frozenset(choosable) - kept, ""


@lru_cache(maxsize=KNOWN_CHOICES)
def _ranked(
    question: str, setting: str, texts: tuple[str, ...], sizes: tuple[int, ...]
) -> tuple[tuple[int, bool], ...] | None:
    """Places of texts, the most relevant first, and whether the first turn has to do with them.

    None where it has to do with none: a greeting says nothing about what will be needed.
    """
    units = Units(texts, sizes, range(len(texts)))
    scores = score_units(Question(question, setting), units).values
    if not (scores > 0).any():
        return None
    order = (-scores).argsort(kind="stable").tolist()
    return tuple((place, bool(scores[place] > 0)) for place in order)


def _first_turn(request: Request) -> tuple[str, str]:
    """What the first turn asks, and its system text; what comes later must not change the list."""
    first = turns_of(request.messages).count(0)
    system = (m for m in request.messages[:first] if m.role == "system")
    setting = "\n".join(p.text for m in system for p in m.parts if p.text)
    return question_of(request.messages[:first]).strip(), setting


def _called(request: Request) -> frozenset[str]:
    """Names of the tools that the messages call."""
    parts = (p for m in request.messages for p in m.parts if p.type == "tool_call")
    return frozenset(p.name for p in parts if p.name)


def _about(tool: Tool) -> str:
    """What a tool is for, in the words of its name, its description and its parameters."""
    function = tool.function or {}
    pieces = [tool.name, tool.name.replace("_", " ").replace("-", " ")]
    pieces.append(str(function.get("description") or ""))
    parameters = function.get("parameters")
    fields = parameters.get("properties") if isinstance(parameters, dict) else None
    for key, schema in fields.items() if isinstance(fields, dict) else ():
        about = schema.get("description") if isinstance(schema, dict) else ""
        pieces.append(f"{key.replace('_', ' ')} {about or ''}")
    return "\n".join(pieces)
