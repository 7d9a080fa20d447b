"""Sums over many planned requests that can be added up in any grouping and kept in a file.

The money and token sums are those of the ledger records (`Totals`); beside them stand what only the
plans know: stages, kinds of text, reasons, latencies. Tallies of parts add up to that of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from tokenthrift.ledger import Totals
from tokenthrift.report.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Mapping

FRAMING: Final = "(framing, tools, calls)"
"""The row of what is no segment, so that kinds add up to whole requests."""

Row = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over requests.

    Attributes:
        conversations: recordings that gave at least one request.
        totals: of the ledger records.
        billed_before_tokens: input as it is billed: cached tokens weighed by their price, in units
            of the model's plain input price; over priced requests only. ``billed_after_tokens`` of
            what the policy sends.
        unanswered: requests without a recorded answer; priced for their input only.
        epochs: compactions.
        reported_cost_nanos: what the log says was paid, over ``reported_calls``;
            ``reported_input_tokens`` what providers counted there, ``recounted_input_tokens`` what
            we count for the same.
        stages: by stage: runs, edits, tokens saved, errors.
        kinds: by kind of text: segments, tokens before, tokens after.
        kept: by reason, text that stayed as it was: segments, tokens (each text once).
        models: by ``requested -> chosen``: requests.
        unread: by reason, lines that gave no request.
        failed: by reason, requests that could not be planned and are priced unmodified.
        stage_errors: by ``stage: error``: times.
        latencies: of planning.
    """

    conversations: int = 0
    totals: Totals = field(default_factory=Totals)
    billed_before_tokens: int = 0
    billed_after_tokens: int = 0
    unanswered: int = 0
    epochs: int = 0
    reported_calls: int = 0
    reported_cost_nanos: int = 0
    reported_input_tokens: int = 0
    recounted_input_tokens: int = 0
    stages: dict[str, Row] = field(default_factory=dict)
    kinds: dict[str, Row] = field(default_factory=dict)
    kept: dict[str, Row] = field(default_factory=dict)
    models: dict[str, Row] = field(default_factory=dict)
    unread: dict[str, Row] = field(default_factory=dict)
    failed: dict[str, Row] = field(default_factory=dict)
    stage_errors: dict[str, Row] = field(default_factory=dict)
    latencies: Latencies = field(default_factory=Latencies)

    def __add__(self, other: Tally) -> Tally:
        merged: dict[str, Any] = {}
        for name in NAMES:
            mine, theirs = getattr(self, name), getattr(other, name)
            merged[name] = added(mine, theirs) if isinstance(mine, dict) else mine + theirs
        return Tally(**merged)

    @property
    def requests(self) -> int:
        """How many requests were priced."""
        return self.totals.calls

    @property
    def unread_lines(self) -> int:
        """How many lines gave no request."""
        return sum(row[0] for row in self.unread.values())

    @property
    def failed_requests(self) -> int:
        """How many requests could not be planned."""
        return sum(row[0] for row in self.failed.values())


NAMES: Final = tuple(Tally.__dataclass_fields__)
_ADAPTER: Final = TypeAdapter(Tally)


def added(left: Mapping[str, Row], right: Mapping[str, Row]) -> dict[str, Row]:
    """Two tables added up row by row, rows of the first before new ones of the second."""
    out = dict(left)
    for name, row in right.items():
        known = out.get(name)
        out[name] = row if known is None else tuple(a + b for a, b in zip(known, row, strict=True))
    return out


def ranked(table: Mapping[str, Row], column: int = 0) -> list[tuple[str, Row]]:
    """The rows of a table, the largest of a column first, equal ones by name."""
    return sorted(table.items(), key=lambda item: (-item[1][column], item[0]))


def dumped(tally: Tally) -> dict[str, Any]:
    """As plain data, exact."""
    data: dict[str, Any] = _ADAPTER.dump_python(tally, mode="json")
    return data


def loaded(data: Any) -> Tally:
    """From plain data.

    Raises:
        ValueError: it is no tally.
    """
    return _ADAPTER.validate_python(data)
