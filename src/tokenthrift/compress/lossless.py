"""Stages that lose nothing: JSON as tables, logs by forms, repeated text as pointers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress import forms, tables
from tokenthrift.compress.markers import pointer
from tokenthrift.compress.repeats import repeated_runs
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from tokenthrift.types import Segment


class Json(BaseModel):
    """Write JSON without white space and arrays of like objects as tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Literal["json"] = "json"

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Encode every open JSON segment that gets smaller."""
        edits, notes = [], []
        for segment in draft.open_segments():
            if segment.kind != "json":
                continue
            text = tables.encode(segment.text)
            if text is None:
                notes.append((segment.id, "json: already as short as it gets, or not valid JSON"))
                continue
            edits.append(Edit(segment.id, "replace", text + _tail(segment.text), "json as a table"))
        return draft.edit(self.name, edits, notes)


class Log(BaseModel):
    """Write the words that many lines of a log share once, and of each line what is its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Literal["log"] = "log"

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Encode every open log that gets smaller by enough."""
        edits, notes = [], []
        for segment in draft.open_segments():
            if segment.kind != "log":
                continue
            text = forms.encode(segment.text)
            if text is None:
                notes.append((segment.id, "log: its lines share too little"))
            else:
                edits.append(Edit(segment.id, "replace", text, "shared words of lines once"))
        return draft.edit(self.name, edits, notes)


def _stays(draft: Draft, segment: Segment) -> bool:
    """Whether a text can be pointed at: nothing may cut it later."""
    return not (draft.window.may_cut and draft.is_open(segment))


def _tail(text: str) -> str:
    """One line break where the original ended with one, so that what follows stays apart."""
    return "\n" if text.endswith("\n") else ""


class Dedupe(BaseModel):
    """Replace text that an earlier message holds word for word by a pointer to it.

    Whole segments and runs of lines. Pointers only ever point backwards, so they never change what
    was sent before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Literal["dedupe"] = "dedupe"
    min_tokens: int = Field(default=48, ge=16)
    """Shorter repeats are left alone: a pointer costs about 10 tokens."""

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Point open segments to earlier text."""
        edits: list[Edit] = []
        past = draft.history
        whole: dict[str, Segment] = {}
        for segment in draft.segments[past.size :]:
            if not segment.text or segment.level > 1:
                continue
            first = past.first_copy(segment.text) or whole.get(segment.text)
            if first is None:
                if _stays(draft, segment):
                    whole[segment.text] = segment
                continue
            if not draft.is_open(segment):
                continue
            if segment.tokens >= max(self.min_tokens, draft.floor_tokens):
                text = pointer(first.id, first.text)
                edits.append(Edit(segment.id, "replace", text, f"same as {first.id}"))
        pointed = {e.target for e in edits}
        # Also of a text that was cut: the lines it still shows are there word for word.
        earlier = [s for s in draft.segments[past.size :] if s.text and s.id not in pointed]
        sources = {s.id for s in earlier if _stays(draft, s)}
        for segment, runs in repeated_runs(earlier, sources, draft, self.min_tokens):
            lines = segment.text.splitlines(keepends=True)
            out, at = [], 0
            for run in runs:
                out += lines[at : run.start]
                end = run.start + run.lines
                span = (run.first_line, run.first_line + run.lines - 1)
                out.append(pointer(run.source, "".join(lines[run.start : end]), span))
                at = end
            out += lines[at:]
            reason = f"{sum(r.lines for r in runs)} lines stand in earlier messages"
            edits.append(Edit(segment.id, "replace", "".join(out), reason))
        return draft.edit(self.name, edits)
