"""Entries for embeddings: numbered on, priced by the user's card first, unknown where unknown."""

from __future__ import annotations

from tokenthrift.catalog import load_catalog
from tokenthrift.encoders import Spend
from tokenthrift.ledger import AttemptRecord, costs_of, embedding_records
from tokenthrift.types import Money

CATALOG = load_catalog()


def test_entries_are_numbered_on_after_the_attempts() -> None:
    """The numbers of a record's entries rise, with and without attempts."""
    spent = [Spend("e", 5, Money(100)), Spend("e", 6, Money(120))]
    attempts = [AttemptRecord(model="m", number=n, status="error") for n in (1, 4)]
    assert [e.number for e in embedding_records(spent, attempts, CATALOG)] == [5, 6]
    entries = embedding_records(spent, (), CATALOG)
    assert [e.number for e in entries] == [1, 2]
    assert {e.status for e in entries} == {"embedding"}
    assert costs_of(entries) == [Money(100), Money(120)]
    assert embedding_records((), attempts, CATALOG) == ()


def test_what_is_unknown_stays_unknown() -> None:
    """No price and no report are None, not zero."""
    spent = [Spend("e", 5, None), Spend("e", 0, None, estimated=True)]
    entries = embedding_records(spent, (), CATALOG)
    assert costs_of(entries) == [None, None]
    assert [e.estimated for e in entries] == [False, True]
