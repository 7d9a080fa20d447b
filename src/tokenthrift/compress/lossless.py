"""Stages that lose nothing: JSON as tables, repeated text as pointers to the earlier copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress import tables
from tokenthrift.compress.markers import pointer
from tokenthrift.compress.repeats import repeated_runs
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from tokenthrift.types import Segment


class Json(BaseModel):
    """Write JSON without white space and arrays of like objects as tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


def _tail(text: str) -> str:
    """One line break where the original ended with one, so that what follows stays apart."""
    return "\n" if text.endswith("\n") else ""


class Dedupe(BaseModel):
    """Replace text that an earlier message holds word for word by a pointer to it.

    Whole segments and runs of lines. Pointers only ever point backwards, so they never change what
    was sent before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        whole: dict[str, Segment] = {}
        for segment in draft.segments:
            if not segment.text or segment.level > 1:
                continue
            first = whole.setdefault(segment.text, segment)
            if first is segment or not draft.is_open(segment):
                continue
            if segment.tokens >= max(self.min_tokens, draft.floor_tokens):
                edits.append(Edit(segment.id, "replace", pointer(first.id), f"same as {first.id}"))
        pointed = {e.target for e in edits}
        earlier = [s for s in draft.segments if s.level <= 1 and s.id not in pointed]
        for segment, runs in repeated_runs(earlier, draft, self.min_tokens):
            lines = segment.text.splitlines(keepends=True)
            out, at = [], 0
            for run in runs:
                out += lines[at : run.start]
                out.append(pointer(run.source, (run.first_line, run.first_line + run.lines - 1)))
                at = run.start + run.lines
            out += lines[at:]
            reason = f"{sum(r.lines for r in runs)} lines stand in earlier messages"
            edits.append(Edit(segment.id, "replace", "".join(out), reason))
        return draft.edit(self.name, edits)
