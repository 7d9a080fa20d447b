"""Net savings: exact, additive, honest about losses and unknown prices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.catalog import ModelCard, Prices, PriceTier, cost
from tokenthrift.ledger import Charge, rescale, split_savings
from tokenthrift.types import Money, Usage


def card(name="m", **usd_per_mtok) -> ModelCard:
    """A model with the given prices."""
    prices = {f"{k}_usd_per_mtok": Decimal(str(v)) for k, v in usd_per_mtok.items()}
    return ModelCard(name=name, prices=Prices(**prices))


LARGE = card("large", input=3, output=15, cache_read=0.3, cache_write=3.75)
SMALL = card("small", input=0.25, output=2, cache_read=0.025)
UNKNOWN = ModelCard(name="unknown")

price = st.decimals(0, 100, places=4)


@st.composite
def usages(draw) -> Usage:
    """Consistent buckets up to a million tokens."""
    total = draw(st.integers(0, 10**6))
    read = draw(st.integers(0, total))
    write = draw(st.integers(0, total - read))
    output = draw(st.integers(0, 10**5))
    return Usage(
        total, output, read, write, draw(st.integers(0, output)), estimated=draw(st.booleans())
    )


@st.composite
def cards(draw) -> ModelCard | None:
    """Models with tiers and odd prices, without prices, and models nobody knows."""
    kind = draw(st.sampled_from(["priced"] * 6 + ["unpriced", "none"]))
    if kind == "none":
        return None
    if kind == "unpriced":
        return UNKNOWN
    prices = Prices(
        input_usd_per_mtok=draw(price),
        output_usd_per_mtok=draw(price),
        cache_read_usd_per_mtok=draw(st.none() | price),
        cache_write_usd_per_mtok=draw(st.none() | price),
        tiers=(PriceTier(above_input_tokens=200_000, input_usd_per_mtok=draw(price)),),
    )
    return ModelCard(name="m", prices=prices)


@st.composite
def calls(draw):
    """A baseline, the compressed counterfactual, and attempts with at most one accepted."""
    attempts = [
        Charge(draw(usages()), draw(cards()), accepted=False)
        for _ in range(draw(st.integers(0, 3)))
    ]
    if draw(st.booleans()):
        attempts.append(Charge(draw(usages()), draw(cards())))
    return Charge(draw(usages()), draw(cards())), draw(usages()), attempts


@given(calls())
def test_parts_add_up_exactly(call):
    """Compression, routing, cache and overhead sum to baseline minus actual, in whole nanos."""
    baseline, compressed, attempts = call
    s = split_savings(baseline, compressed, attempts)
    parts = (s.compression, s.routing, s.cache, s.overhead)
    if s.unpriced:
        assert s.net is None
        assert parts == (None,) * 4
        return
    assert s.net == s.baseline - s.actual
    assert s.net == sum(parts)
    assert s.overhead <= Money(0)


@given(calls())
def test_bills_are_those_of_the_catalog(call):
    """Baseline and actual are the plain bills of their usage, computed by another way."""
    baseline, compressed, attempts = call
    s = split_savings(baseline, compressed, attempts)
    bills = [
        Money(0)
        if not (a.usage.input_tokens or a.usage.output_tokens)
        else (cost(a.usage, a.card) if a.card else None)
        for a in attempts
    ]
    assert s.actual == (None if None in bills else sum(bills, Money(0)))
    if any(a.accepted for a in attempts) and baseline.card:
        free = not (baseline.usage.input_tokens or baseline.usage.output_tokens)
        assert s.baseline == (Money(0) if free else cost(baseline.usage, baseline.card))


@given(calls(), st.lists(st.none() | st.integers(0, 10**9).map(Money), max_size=3))
def test_what_is_paid_beside_the_attempts_is_overhead(call, beside):
    """Embeddings lower overhead and net by their cost; one without a price leaves no net."""
    without = split_savings(*call)
    with_them = split_savings(*call, beside)
    if None in beside or without.unpriced:
        assert with_them.unpriced
        return
    cost_nanos = Money(sum(m.nanos for m in beside))
    assert with_them.overhead == without.overhead - cost_nanos
    assert with_them.net == without.net - cost_nanos
    assert with_them.actual == without.actual + cost_nanos
    assert (with_them.compression, with_them.routing, with_them.cache) == (
        without.compression,
        without.routing,
        without.cache,
    )


@given(usages(), cards())
def test_doing_nothing_saves_nothing(usage, model):
    """The same request on the same model with the same cache saves exactly 0 in every part."""
    s = split_savings(Charge(usage, model), usage, [Charge(usage, model)])
    if not s.unpriced:
        assert {s.compression, s.routing, s.cache, s.overhead, s.net} == {Money(0)}


def test_each_part_is_what_its_name_says():
    """Fewer tokens, another model, another cache state and a rejected attempt each hit one part."""
    base = Charge(Usage(10_000, 500), LARGE)
    half = Usage(5_000, 500)
    s = split_savings(base, half, [Charge(half, LARGE)])
    assert (s.compression, s.routing, s.cache) == (Money(15_000_000), Money(0), Money(0))

    s = split_savings(base, base.usage, [Charge(base.usage, SMALL)])
    assert (s.compression, s.cache) == (Money(0), Money(0))
    assert s.routing == Money(30_000_000 + 7_500_000 - 2_500_000 - 1_000_000)

    warm = replace(base.usage, cache_read_tokens=10_000)
    s = split_savings(base, base.usage, [Charge(warm, LARGE)])
    assert (s.compression, s.routing, s.cache) == (Money(0), Money(0), Money(27_000_000))

    tried = Charge(Usage(10_000, 100), SMALL, accepted=False)
    s = split_savings(base, base.usage, [tried, Charge(base.usage, LARGE)])
    assert s.overhead == s.net == Money(-2_700_000)


def test_trimming_a_warm_prefix_shows_as_a_loss():
    """Fewer tokens that break the cached prefix cost more; the net is negative and says so."""
    baseline = Charge(
        Usage(100_000, 500, cache_read_tokens=99_000, cache_write_tokens=1_000), LARGE
    )
    sent = Usage(60_000, 500, cache_write_tokens=60_000)
    s = split_savings(baseline, sent, [Charge(sent, LARGE)])
    assert s.compression == Money(120_000_000)
    assert s.cache < -s.compression
    assert s.net == baseline.cost - Charge(sent, LARGE).cost
    assert s.net < Money(0)


def test_a_call_without_an_answer_saves_nothing():
    """When every attempt failed, all that was paid is overhead."""
    paid = Charge(Usage(1_000, 10), LARGE, accepted=False)
    s = split_savings(Charge(Usage(9_000, 10), LARGE), Usage(1_000, 10), [paid, paid])
    assert (s.baseline, s.actual) == (Money(0), Money(6_300_000))
    assert s.net == s.overhead == Money(-6_300_000)
    assert split_savings(paid, Usage(), []).net == Money(0)


@pytest.mark.parametrize("model", [None, UNKNOWN])
def test_unknown_prices_are_none_never_a_guess(model):
    """An unknown price on either side leaves the known side known and the savings unknown."""
    usage = Usage(1_000, 10)
    s = split_savings(Charge(usage, model), usage, [Charge(usage, LARGE)])
    assert (s.baseline, s.actual, s.net, s.unpriced) == (None, Money(3_150_000), None, True)
    s = split_savings(Charge(usage, LARGE), usage, [Charge(usage, model)])
    assert (s.baseline, s.actual, s.net, s.unpriced) == (Money(3_150_000), None, None, True)
    failed = Charge(Usage(), model, accepted=False)
    s = split_savings(Charge(usage, LARGE), usage, [failed, Charge(usage, LARGE)])
    assert s.net == Money(0), "an attempt that used nothing costs nothing at any price"


def test_basis_is_measured_only_if_everything_was_reported():
    """One estimated attempt makes the whole call an estimate."""
    usage, guess = Usage(10, 1), Usage(10, 1, estimated=True)
    base = Charge(guess, LARGE)
    assert split_savings(base, guess, [Charge(usage, LARGE)]).basis == "measured"
    both = [Charge(guess, LARGE, accepted=False), Charge(usage, LARGE)]
    assert split_savings(base, guess, both).basis == "estimated"


def test_two_answers_are_refused():
    """A call with two accepted attempts is a fault of the caller."""
    charge = Charge(Usage(1, 1), LARGE)
    with pytest.raises(ValueError, match="2 attempts are accepted"):
        split_savings(charge, Usage(1, 1), [charge, charge])


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(1, 10**12))
def test_rescale_is_the_exact_ratio(baseline, counted, reported):
    """The baseline is scaled by reported over counted, rounded to the nearest whole token."""
    scaled = rescale(baseline, counted, reported)
    assert abs(scaled * counted - baseline * reported) * 2 <= counted
    assert rescale(counted, counted, reported) == reported
    assert rescale(baseline, counted, counted) == baseline


def test_rescale_without_a_report_keeps_the_count():
    """Nothing counted or nothing reported means nothing to correct by; negatives are refused."""
    assert rescale(70, 0, 5) == rescale(70, 5, 0) == 70
    with pytest.raises(ValueError, match="cannot be negative"):
        rescale(70, -1, 5)
