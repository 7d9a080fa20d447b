"""The stage that points from text to an earlier copy of it: what is read again is sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress.pointers import Pointer, holds_pointers, lines_of, words_of
from tokenthrift.compress.repeats import repeated_runs
from tokenthrift.compress.stage import Reach
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from tokenthrift.types import Segment


class Dedupe(BaseModel):
    """Replace lines that an earlier message holds by a pointer to them.

    Whole segments and runs of lines; a file that is read again after an edit becomes the lines that
    are new between pointers to the others. Pointers only ever point backwards, at what is sent word
    for word, so they never change what was sent before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Literal["dedupe"] = "dedupe"
    min_tokens: int = Field(default=48, ge=16)
    """What a text shares with another must be as much to be pointed at. The first pointer costs
    about 20 tokens, each further one 8."""

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def reach(self) -> Reach:
        """Texts that may point and are long enough; nothing is looked up for a short turn."""
        return Reach(pointing_tokens=self.min_tokens)

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Point open segments to earlier text."""
        edits: list[Edit] = []
        least = max(self.min_tokens, draft.floor_tokens)
        if not any(s.tokens >= least and draft.may_point(s) for s in draft.new_segments):
            return draft.edit(self.name, edits)  # nothing is looked up for a short turn
        past = draft.history.copies(lines_of)
        whole: dict[str, Segment] = {}
        for segment in draft.segments[draft.history.size :]:
            if not segment.text or segment.level > 1:
                continue
            first = past.first(segment.text) or whole.get(segment.text)
            if first is None:
                if _stays(draft, segment):
                    whole[segment.text] = segment
            elif (
                draft.may_point(segment)
                and segment.tokens >= least
                and not holds_pointers(segment.text)
            ):
                tail = "\n" if segment.text.endswith("\n") else ""
                text = Pointer(first.id, words=words_of(segment.text)).written() + tail
                edits.append(Edit(segment.id, "replace", text, f"same as {first.id}"))
        pointed = {e.target for e in edits}
        # Also of a text that was cut: the lines it still shows are there word for word.
        rest = [s for s in draft.segments[draft.history.size :] if s.text and s.id not in pointed]
        sources = {s.id for s in rest if _stays(draft, s)}
        for segment, text, lines in repeated_runs(rest, sources, draft, self.min_tokens):
            reason = f"{lines} lines stand in earlier messages"
            edits.append(Edit(segment.id, "replace", text, reason))
        return draft.edit(self.name, edits)


def _stays(draft: Draft, segment: Segment) -> bool:
    """Whether a text can be pointed at: nothing may cut it later."""
    return not (draft.window.may_cut and draft.is_open(segment))
