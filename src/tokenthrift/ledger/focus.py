"""A bill in the columns of the FOCUS specification, version 1.2, as CSV.

One row is what one model, service tier and set of tags was charged on one UTC day. What was saved
stands in columns of its own (``x_``) and is never taken off a cost.
Source: focus.finops.org, version 1.2 of 2025-05-29.
"""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tokenthrift.catalog import load_catalog
from tokenthrift.errors import LedgerError
from tokenthrift.ledger.folded import ChargeKey, ChargeSums, Folded, midnight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from tokenthrift.catalog import Catalog
    from tokenthrift.ledger.reader import LedgerReader

FOCUS_VERSION: Final = "1.2"
UNKNOWN: Final = "unknown"
NANOS: Final = 1_000_000_000
SAVINGS: Final = {
    "x_BaselineCost": "baseline_nanos",
    "x_ActualCost": "actual_nanos",
    "x_SavingsCompression": "compression_nanos",
    "x_SavingsRouting": "routing_nanos",
    "x_SavingsCache": "cache_nanos",
    "x_SavingsOverhead": "overhead_nanos",
    "x_SavingsNet": "net_nanos",
}
COUNTS: Final = {
    "x_InputTokens": "input_tokens",
    "x_OutputTokens": "output_tokens",
    "x_CacheReadTokens": "cache_read_tokens",
    "x_CacheWriteTokens": "cache_write_tokens",
    "x_ReasoningTokens": "reasoning_tokens",
    "x_Attempts": "attempts",
    "x_UnpricedAttempts": "unpriced_attempts",
    "x_EstimatedAttempts": "estimated_attempts",
    "x_Calls": "calls",
    "x_UnpricedCalls": "unpriced_calls",
}


def write_focus(
    ledger: LedgerReader,
    path: Path,
    billing_account: str,
    since: str | None = None,
    until: str | None = None,
) -> int:
    """Write the bill of whole UTC days, and beside it ``PATH.metadata.json``; how many rows.

    Raises:
        LedgerError: the ledger cannot be read, or the file cannot be written.
    """
    catalog = load_catalog()
    rows = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            lines: csv.DictWriter[str] | None = None
            for key, sums in charges(ledger, since, until):
                row = focus_row(key, sums, billing_account, catalog)
                if lines is None:
                    lines = csv.DictWriter(file, list(row), lineterminator="\n")
                    lines.writeheader()
                lines.writerow(row)
                rows += 1
            if lines is None:
                empty = focus_row(
                    ChargeKey("", "2026-01-01", "", "", "{}"), ChargeSums(), "", catalog
                )
                csv.writer(file, lineterminator="\n").writerow(empty)
        about = path.with_name(f"{path.name}.metadata.json")
        about.write_text(json.dumps(metadata(), indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise LedgerError(f"{path}: cannot be written: {exc}") from exc
    return rows


def charges(
    ledger: LedgerReader, since: str | None = None, until: str | None = None
) -> Iterator[tuple[ChargeKey, ChargeSums]]:
    """The charges of each day, sorted; calls without details are in them."""
    folded = ledger.folded()
    for day in sorted({*ledger.days(), *folded.days()}):
        if (since is not None and day < since) or (until is not None and day > until):
            continue
        gone = folded.where(lambda key, day=day: key.day == day)  # type: ignore[misc]
        found: dict[ChargeKey, ChargeSums] = {}
        for part in (gone.charges, Folded.of(ledger.day(day), "pruned").charges):
            for key, sums in part.items():
                plain = key._replace(why="")
                found[plain] = found.get(plain, ChargeSums()) + sums
        yield from sorted(found.items())


def focus_row(
    key: ChargeKey, sums: ChargeSums, billing_account: str, catalog: Catalog
) -> dict[str, str]:
    """A charge in the columns of FOCUS; amounts are exact decimals in US dollars."""
    start = midnight(key.day)
    month = start.replace(day=1)
    provider = _provider(key.model, catalog)
    cost = _usd(sums.cost_nanos)
    tokens = str(sums.input_tokens + sums.output_tokens)
    tier = key.service_tier or "standard"
    return {
        "BilledCost": cost,
        "BillingAccountId": billing_account,
        "BillingAccountName": billing_account,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _time((month + timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _time(month),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"Tokens of {key.model or UNKNOWN}, {tier} service",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _time(start + timedelta(days=1)),
        "ChargePeriodStart": _time(start),
        "ConsumedQuantity": tokens,
        "ConsumedUnit": "Tokens",
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": provider,
        "ListCost": cost,
        "PricingCategory": "Standard",
        "PricingQuantity": tokens,
        "PricingUnit": "Tokens",
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{provider} API",
        "ServiceSubcategory": "Generative AI",
        "SkuId": key.model or UNKNOWN,
        "SkuMeter": "Tokens",
        "SkuPriceId": f"{key.model or UNKNOWN}/{tier}",
        "Tags": key.tags,
        **{column: _usd(getattr(sums, name)) for column, name in SAVINGS.items()},
        **{column: str(getattr(sums, name)) for column, name in COUNTS.items()},
    }


def columns() -> list[str]:
    """The names of the columns, in order."""
    nothing = ChargeKey("", "2026-01-01", "", "", "{}")
    return list(focus_row(nothing, ChargeSums(), "", load_catalog()))


def metadata() -> Mapping[str, object]:
    """What FOCUS asks a generator to say of its data; the columns and their types."""
    return {
        "SchemaId": f"tokenthrift-focus-{FOCUS_VERSION}-1",
        "FocusVersion": FOCUS_VERSION,
        "CreationDate": "2026-11-24T00:00:00Z",
        "DataGenerator": "tokenthrift",
        "ColumnDefinition": [_definition(name) for name in columns()],
    }


def _definition(name: str) -> dict[str, object]:
    if name in COUNTS or name.endswith("Quantity"):
        return {"ColumnName": name, "DataType": "DECIMAL", "NumericPrecision": 20, "NumberScale": 0}
    if name in SAVINGS or name.endswith("Cost"):
        return {"ColumnName": name, "DataType": "DECIMAL", "NumericPrecision": 20, "NumberScale": 9}
    if name.startswith(("BillingPeriod", "ChargePeriod")):
        return {"ColumnName": name, "DataType": "DATETIME"}
    if name == "Tags":
        return {"ColumnName": name, "DataType": "JSON"}
    return {"ColumnName": name, "DataType": "STRING", "StringEncoding": "UTF-8"}


def _provider(model: str, catalog: Catalog) -> str:
    card = catalog.get(model)
    if card is not None:
        return card.provider or UNKNOWN
    return model.partition("/")[0] if "/" in model else UNKNOWN


def _usd(nanos: int) -> str:
    """Exact dollars, with nine decimals."""
    whole, part = divmod(abs(nanos), NANOS)
    return f"{'-' if nanos < 0 else ''}{whole}.{part:09d}"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
