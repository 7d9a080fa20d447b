"""The stage that leaves the skeleton of old results: only a compaction runs it.

What a later step needs of an old result is a name in it: an id, a path, an identifier. A digest
says how long the result was and how it began and ended, keeps its lines of errors, and lists the
names that nothing else shows; the whole is kept for recall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress.markers import digest_head, recall_id
from tokenthrift.compress.names import name_set
from tokenthrift.compress.stage import Reach
from tokenthrift.compress.structure import ERROR_WORDS
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from tokenthrift.types import Segment

LONGEST_LINE: Final = 160  # characters of a line that is kept; a longer one is left out
ERROR_LINES: Final = 3
LEAST_GAIN: Final = 0.25  # share of the tokens that a digest must save


class Digest(BaseModel):
    """Shrink old tool results to their skeleton when the past is compressed again."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reach: ClassVar = Reach()
    stage: Literal["digest"] = "digest"
    keep_turns: int = Field(default=3, ge=1)
    """The newest turns, whose results are left to the other stages."""
    min_tokens: int = Field(default=200, ge=0)
    """Smaller results are left alone."""

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 3

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Write digests of what is old, in a compaction only."""
        window = draft.window
        if not window.epoch or window.first_turn == window.last_turn:
            return draft.edit(self.name, [])
        old = [s for s in draft.open_segments() if self._is_old(s, window.last_turn)]
        chosen = {s.id for s in old}
        shown: set[str] = set()
        for segment in draft.segments:
            if segment.id not in chosen:
                shown.update(name_set(segment.text))
        for message in draft.seen:
            for part in message.parts:
                if part.type == "tool_call":
                    shown.update(name_set(part.text or ""))
        edits: list[Edit] = []
        over = draft.tokens - (window.budget_tokens or 0)
        for segment in old:
            if over <= 0:
                break
            text = _digest(segment, shown)
            if draft.count(text) <= (1 - LEAST_GAIN) * segment.tokens:
                address = recall_id([segment.text])
                edits.append(
                    Edit(
                        segment.id,
                        "replace",
                        text,
                        "an old result, as a digest",
                        level=self.level,
                        recall_id=address,
                        omitted=(segment.text,),
                    )
                )
                shown.update(name_set(text))
                over -= segment.tokens - draft.count(text)
        return draft.edit(self.name, edits)

    def _is_old(self, segment: Segment, last_turn: int) -> bool:
        loose = segment.role in ("tool", "user") and segment.tokens >= self.min_tokens
        return loose and segment.turn <= last_turn - self.keep_turns


def _digest(segment: Segment, shown: set[str]) -> str:
    """The skeleton of a result: its size, edges, errors, and names that nothing shows."""
    lines = [line.strip() for line in segment.text.split("\n") if line.strip()]
    short = [line for line in lines if len(line) <= LONGEST_LINE]
    errors = [line for line in short if any(w in line.lower() for w in ERROR_WORDS)][:ERROR_LINES]
    edges = [lines[0][:LONGEST_LINE], *([lines[-1]] if lines[-1] in short[-1:] else [])]
    kept = list(dict.fromkeys([edges[0], *errors, *edges[1:]]))
    said = {name for line in kept for name in name_set(line)}
    names = [name for name in name_set(segment.text) if name not in shown and name not in said]
    head = digest_head(segment.tokens, recall_id([segment.text]))
    return "\n".join([head, *kept, " ".join(names)]).rstrip()
