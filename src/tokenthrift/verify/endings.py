"""How an answer ended: cut off, empty, refused. Fields of the wire tell it, not the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenthrift.route import Answer
    from tokenthrift.types import Request

CUT_OFF: Final = frozenset({"length", "max_tokens"})
FILTERED: Final = "content_filter"


def truncated(answer: Answer, request: Request, /) -> str:
    """Cut off, although the caller set no limit: the caller's own limit would cut every model."""
    if answer.finish not in CUT_OFF or request.max_output_tokens is not None:
        return ""
    return f"ended with {answer.finish}"


def empty(answer: Answer, _request: Request, /) -> str:
    """Neither text nor a tool call nor a refusal."""
    says = answer.text.strip() or answer.calls or answer.refusal
    return "" if says else "neither text nor a tool call"


def refusal(answer: Answer, _request: Request, /) -> str:
    """The field for refusals is filled, or the provider's filter ended the answer."""
    if answer.refusal:
        return "the model refused"
    return "the provider's filter ended it" if answer.finish == FILTERED else ""
