"""Checks of answers that need no model: does the JSON match, was it cut off, does the code parse.

A check reads an answer and the request it answers, and says what is wrong in a few words, or
nothing. It never looks at the world, and its words hold no text of the answer. What is checked
needs no opinion: whether an answer is *good* is nobody's to say here.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, Protocol

from tokenthrift.verify.code import code
from tokenthrift.verify.endings import empty, refusal, truncated
from tokenthrift.verify.schemas import need_jsonschema, schema, tool_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenthrift.route import Answer
    from tokenthrift.types import Request

__all__ = ["BUILT_IN", "Verifier", "checks_of", "first_objection"]


class Verifier(Protocol):
    """One check."""

    def __call__(self, answer: Answer, request: Request, /) -> str:
        """What is wrong with an answer, in a few words; empty where nothing is."""
        ...


BUILT_IN: Final[Mapping[str, Verifier]] = {
    "truncated": truncated,
    "empty": empty,
    "refusal": refusal,
    "schema": schema,
    "tool_arguments": tool_arguments,
    "code": code,
}
NEED_JSONSCHEMA: Final = frozenset({"schema", "tool_arguments"})
ENTRY_POINTS: Final = "tokenthrift.verifiers"


def checks_of(words: Sequence[str], own: Sequence[Verifier] = ()) -> dict[str, Verifier]:
    """The checks of a policy, then those of installed packages, then the caller's own.

    Args:
        words: of the policy; without any there are none of installed packages either.
        own: callables of the caller.

    Raises:
        MissingExtraError: a check needs a package that is not installed.
    """
    if NEED_JSONSCHEMA & set(words):
        need_jsonschema()
    found: dict[str, Verifier] = {w: BUILT_IN[w] for w in BUILT_IN if w in words}
    if words:
        found |= {p.name: p.load() for p in entry_points(group=ENTRY_POINTS)}
    for check in own:
        name = getattr(check, "__name__", type(check).__name__)
        found[name if name not in found else f"{name}-{len(found)}"] = check
    return found


def first_objection(
    checks: Mapping[str, Verifier],
    answer: Answer,
    request: Request,
    report: Callable[[Exception], None],
) -> str:
    """The first check that an answer fails, and how: ``schema: at items.0: not a number``.

    A check that raises counts as passed and is reported: a fault in a check must not reject what
    has been paid for.
    """
    for name, check in checks.items():
        try:
            found = check(answer, request)
        except Exception as error:  # noqa: BLE001 - see above
            report(error)
            continue
        if found:
            return f"{name}: {found}"
    return ""
