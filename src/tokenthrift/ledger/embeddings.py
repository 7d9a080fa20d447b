"""What plans spent on vectors, as entries of a record: paid for beside the attempts.

Priced by the user's own card where there is one, else as the encoder knew; unknown stays unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenthrift.ledger.record import AttemptRecord
from tokenthrift.ledger.savings import Charge
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.catalog import Catalog
    from tokenthrift.encoders import Spend

__all__ = ["costs_of", "embedding_records"]


def embedding_records(
    spent: Sequence[Spend], attempts: Sequence[AttemptRecord], catalog: Catalog
) -> tuple[AttemptRecord, ...]:
    """One entry for each request for vectors, numbered on after the attempts."""
    first = max((a.number for a in attempts), default=0) + 1
    entries = []
    for number, spend in enumerate(spent, first):
        cost = _cost(spend, catalog)
        entries.append(
            AttemptRecord(
                model=spend.model,
                number=number,
                status="embedding",
                input_tokens=spend.input_tokens,
                estimated=spend.estimated,
                cost_nanos=None if cost is None else cost.nanos,
            )
        )
    return tuple(entries)


def costs_of(entries: Sequence[AttemptRecord]) -> list[Money | None]:
    """What the entries cost, for `split_savings`."""
    return [None if e.cost_nanos is None else Money(e.cost_nanos) for e in entries]


def _cost(spend: Spend, catalog: Catalog) -> Money | None:
    card = catalog.get(spend.model)
    if card is None or card.prices is None or spend.estimated:
        return spend.cost
    return Charge(Usage(input_tokens=spend.input_tokens), card).cost
