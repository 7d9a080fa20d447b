"""Whether a model works with tools here, told from the conversation so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenthrift.draft import Draft
    from tokenthrift.history import Sums

STEPS: Final = 2  # of the model; a single answer of a tool is no loop yet


def in_loop(draft: Draft) -> bool:
    """Whether the model has called tools, or written fenced commands in most of its texts."""
    so_far = draft.sums
    if so_far.model_messages < STEPS:
        return False
    if so_far.tool_messages:
        return True
    return acts_in_text(so_far)


def acts_in_text(so_far: Sums) -> bool:
    """Whether the model writes its commands as text, so that user messages bring their results."""
    return not so_far.tool_messages and 2 * so_far.model_acts > so_far.model_texts > 1
