"""What users say of answers: feedback on calls, kept beside their records and never changed."""
# Annotations are evaluated by pydantic at run time, so there is no `from __future__` import here.

from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.record import LedgerRecord, Utc

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS: Final = {"good": 1.0, "bad": 0.0}
USER: Final = "user"
NANOS_PER_USD: Final = 1e9


class Feedback(BaseModel):
    """What somebody says of the answer of one call.

    Attributes:
        call_id: the id of the call's record (``receipt.record_id``).
        created_at: an aware time; kept in UTC.
        outcome: from 0 (useless) to 1 (as good as can be).
        value: what the answer was worth, in a unit of the caller's own; None is not known.
        source: who says so; each source says it once for a call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    call_id: Annotated[str, Field(min_length=1, max_length=128)]
    created_at: Utc
    outcome: Annotated[float, Field(ge=0, le=1)]
    value: float | None = None
    source: Annotated[str, Field(min_length=1, max_length=64)] = USER

    def says_the_same(self, other: "Feedback") -> bool:
        """Whether the other says the same of the same call, whenever."""
        return self.model_copy(update={"created_at": other.created_at}) == other


class Rated(Protocol):
    """A ledger that keeps feedback."""

    def get(self, record_id: str) -> LedgerRecord | None:
        """The record of an id, or None."""
        ...

    def feedback(self, call_id: str | None = None) -> "Iterator[Feedback]":
        """Feedback in order of writing, of one call or of all."""
        ...


def outcome_of(word: str | float | bool) -> float:  # noqa: FBT001 - true and false are outcomes
    """An outcome as people say it: ``good``, ``bad``, true, false, or a number from 0 to 1.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(word, str):
        if word.lower() in WORDS:
            return WORDS[word.lower()]
        try:
            word = float(word)
        except ValueError:
            raise ValueError(f"outcome is {word!r}; say good, bad, or a number 0 to 1") from None
    if not 0 <= word <= 1:
        raise ValueError(f"outcome is {word!r}; say good, bad, or a number from 0 to 1")
    return float(word)


def said_before(known: Feedback, given: Feedback, where: str) -> None:
    """Let the same feedback pass a second time; refuse another.

    Raises:
        LedgerError: the source has said something else of that call.
    """
    if not given.says_the_same(known):
        raise LedgerError(
            f"{where}: {given.source!r} has said {known.outcome:g} of call {given.call_id!r} "
            "before, and feedback is never changed; give it under another source"
        )


def no_such_call(call_id: str, where: str) -> LedgerError:
    """The error for feedback on a call that a ledger does not hold."""
    return LedgerError(f"{where}: no call {call_id!r}; use the record_id of the call's receipt")


def scored_calls(ledger: Rated) -> dict[str, dict[str, Any]]:
    """Calls with feedback as rows of outcomes: ``model``, ``score``, ``cost_usd``.

    The score is the mean over sources, the cost that of the attempt which gave the answer.
    """
    said: dict[str, list[float]] = {}
    for given in ledger.feedback():
        said.setdefault(given.call_id, []).append(given.outcome)
    found = {}
    for call_id, outcomes in said.items():
        record = ledger.get(call_id)
        if record is not None and record.model_chosen:
            found[call_id] = {
                "model": record.model_chosen,
                "score": sum(outcomes) / len(outcomes),
                "cost_usd": _answer_usd(record),
            }
    return found


def _answer_usd(record: LedgerRecord) -> float | None:
    costs = [a.cost_nanos for a in record.attempts if a.status == "ok"]
    if len(costs) != 1 or costs[0] is None:
        return None
    return costs[0] / NANOS_PER_USD
