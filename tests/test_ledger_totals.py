"""Sums over records against naive sums."""

from __future__ import annotations

import pytest
from hypothesis import given

from test_ledger_record import record_lists, sample
from tokenthrift.ledger import GROUP_KEYS, SavingsRecord, Totals, totals_by, totals_of


@given(record_lists())
def test_totals_are_the_sums_of_the_records(records):
    """Every sum is the plain sum of what the records say, and net is baseline minus actual."""
    total = totals_of(records)
    attempts = [a for r in records for a in r.attempts]
    savings = [r.savings for r in records if r.savings.net_nanos is not None]
    assert total.calls == len(records)
    assert total.failed_calls == sum(r.status == "error" for r in records)
    assert total.unpriced_calls == len(records) - len(savings)
    assert total.estimated_calls == sum(s.basis == "estimated" for s in savings)
    assert total.attempts == len(attempts)
    assert total.input_tokens == sum(a.input_tokens for a in attempts)
    assert total.cache_write_tokens == sum(a.cache_write_tokens for a in attempts)
    assert total.spent_nanos == sum(a.cost_nanos or 0 for a in attempts)
    assert total.net_nanos == sum(s.net_nanos for s in savings)
    assert total.net_nanos == total.baseline_nanos - total.actual_nanos
    assert total.net_nanos == (
        total.compression_nanos + total.routing_nanos + total.cache_nanos + total.overhead_nanos
    )


@given(record_lists())
def test_groups_partition_the_total(records):
    """Whatever the key, the groups add up to the whole."""
    for key in GROUP_KEYS:
        groups = totals_by(records, key)
        assert sum(groups.values(), Totals()) == totals_of(records)
        assert list(groups) == sorted(groups)


def test_unpriced_calls_are_counted_and_not_guessed():
    """A call without a price adds to the spending that is known, and to no savings."""
    unpriced = sample(1, savings=SavingsRecord())
    total = totals_of([sample(0), unpriced])
    assert (total.calls, total.unpriced_calls) == (2, 1)
    assert total.net_nanos == sample(0).savings.net_nanos
    assert total.spent_nanos == 46_200 + 46_201


def test_unknown_keys_are_refused():
    """Grouping by something records do not have names the keys they do have."""
    with pytest.raises(ValueError, match="known keys: day, kind"):
        totals_by([], "colour")
