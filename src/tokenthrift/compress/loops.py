"""Whether a model works with tools here, told from the conversation so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.draft import Draft
    from tokenthrift.types import Segment

STEPS: Final = 2  # of the model; a single answer of a tool is no loop yet


def in_loop(draft: Draft) -> bool:
    """Whether the model has called tools, or written fenced commands in most of its texts."""
    if sum(f.role == "assistant" for f in draft.frames) < STEPS:
        return False
    if any(f.role == "tool" for f in draft.frames):
        return True
    return acts_in_text(draft.segments)


def acts_in_text(segments: Sequence[Segment]) -> bool:
    """Whether the model writes its commands as text, so that user messages bring their results."""
    if any(s.role == "tool" for s in segments):
        return False
    texts = [s for s in segments if s.role == "assistant"]
    acting = {s.message for s in texts if s.kind not in ("prose", "markdown")}
    return 2 * len(acting) > len({s.message for s in texts}) > 1
