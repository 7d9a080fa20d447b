"""What calls with feedback teach about models: what was foretold, and what came."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tokenthrift.route.learning import Lesson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.ledger.feedback import Feedback, Rated
    from tokenthrift.ledger.record import LedgerRecord


def lessons_of(ledger: Rated) -> Iterator[Lesson]:
    """Lessons in order of the feedback; of each call what was said first of it."""
    seen: set[str] = set()
    for said in ledger.feedback():
        record = None if said.call_id in seen else ledger.get(said.call_id)
        seen.add(said.call_id)
        lesson = None if record is None else lesson_of(record, said)
        if lesson is not None:
            yield lesson


def lesson_of(record: LedgerRecord, said: Feedback) -> Lesson | None:
    """What feedback teaches; None where nothing was foretold of the model that answered."""
    decision, model = record.decision, record.model_chosen
    if decision is None or model is None:
        return None
    own = [v for v in decision.verdicts if v.get("model") == model]
    own.sort(key=lambda v: v.get("verdict") != "chosen")
    forecast: Any = own[0].get("forecast") if own else None
    if not isinstance(forecast, dict):
        return None
    shift = float(forecast.get("shift", 0.0))
    p = min(1 - 1e-9, max(1e-9, float(forecast["adequate"])))
    foretold = 1 / (1 + math.exp(shift - math.log(p / (1 - p))))
    return Lesson(model, decision.complexity_bucket, foretold, said.outcome)
