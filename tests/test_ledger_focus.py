"""The FOCUS bill: the columns of version 1.2, exact amounts, savings apart from costs."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal

from hypothesis import given, settings

from test_ledger_export import filled
from test_ledger_record import record_lists, sample
from tokenthrift.ledger import AttemptRecord, SavingsRecord
from tokenthrift.ledger.focus import COUNTS, SAVINGS, columns, write_focus

# Source: FOCUS 1.2, columns of the feature level "Mandatory".
MANDATORY = {
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost"),
    *("EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit"),
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
}
NULLABLE = {"ChargeClass"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def bill(ledger, folder, **asked):
    """The rows of a bill."""
    write_focus(ledger, folder / "costs.csv", "acme", **asked)
    with (folder / "costs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def nanos(rows, column):
    """The sum of a column in nano-dollars."""
    return int(sum(Decimal(row[column]) for row in rows) * 10**9)


@settings(max_examples=30)
@given(record_lists())
def test_the_bill_is_what_was_spent(tmp_path_factory, records):
    """Costs add up to what the ledger says was spent, savings to its savings; none in the other."""
    ledger = filled(records)
    folder = tmp_path_factory.mktemp("focus")
    before = bill(ledger, folder)
    totals = ledger.totals()
    for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        assert nanos(before, column) == totals.spent_nanos
    for column, name in SAVINGS.items():
        assert nanos(before, column) == getattr(totals, name)
    assert sum(int(r["x_Calls"]) for r in before) == totals.calls
    ledger.prune("2026-03-03")
    assert bill(ledger, folder) == before


def test_rows_are_as_focus_asks(tmp_path):
    """Every mandatory column is there with a value, in the formats of the specification."""
    priced = sample(1)
    unpriced = AttemptRecord(model="gpt-4o", number=1, status="ok", input_tokens=7)
    rows = bill(
        filled([priced, sample(2, attempts=(unpriced,), savings=SavingsRecord())]), tmp_path
    )
    assert set(rows[0]) > MANDATORY
    own = set(rows[0]) - {*SAVINGS, *COUNTS}
    assert not any(name.startswith("x_") for name in own)
    assert all(name.startswith("x_") for name in (*SAVINGS, *COUNTS))
    for row in rows:
        assert all(row[name] for name in MANDATORY - NULLABLE)
        assert row["ChargeCategory"] == "Usage"
        assert row["BillingCurrency"] == "USD"
        assert all(TIME.fullmatch(v) for k, v in row.items() if k.endswith(("Start", "End")))
        assert all(isinstance(v, str) for v in json.loads(row["Tags"]).values())
    by_model = {row["SkuId"]: row for row in rows}
    assert by_model["large"]["BilledCost"] == "0.000045000"
    assert by_model["large"]["x_SavingsNet"] == f"{priced.savings.net_nanos / 1e9:.9f}"
    assert by_model["small"]["x_SavingsNet"] == "0.000000000"
    known = by_model["gpt-4o"]
    assert (known["BilledCost"], known["x_UnpricedAttempts"]) == ("0.000000000", "1")
    assert known["ProviderName"] == "openai"
    assert by_model["large"]["ProviderName"] == "unknown"
    assert (known["BillingPeriodStart"], known["BillingPeriodEnd"]) == (
        "2026-03-01T00:00:00Z",
        "2026-04-01T00:00:00Z",
    )


def test_one_row_for_a_day_a_model_a_tier_and_tags(tmp_path):
    """Calls that differ in none of these are one charge; days can be chosen."""
    ledger = filled([sample(n * 20_000) for n in range(10)])
    rows = bill(ledger, tmp_path)
    keys = [(r["ChargePeriodStart"], r["SkuPriceId"], r["Tags"]) for r in rows]
    assert len(set(keys)) == len(keys) == 6
    some = bill(ledger, tmp_path, since="2026-03-02", until="2026-03-02")
    assert some == [r for r in rows if r["ChargePeriodStart"].startswith("2026-03-02")]


def test_the_version_stands_beside_the_bill(tmp_path):
    """The metadata names the version, and every column with its type; an empty bill has a head."""
    assert bill(filled([]), tmp_path) == []
    assert (tmp_path / "costs.csv").read_text().strip().split(",") == columns()
    about = json.loads((tmp_path / "costs.csv.metadata.json").read_text())
    assert about["FocusVersion"] == "1.2"
    assert [c["ColumnName"] for c in about["ColumnDefinition"]] == columns()
