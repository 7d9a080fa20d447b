"""What stays of calls whose details are gone: sums by day, never a record.

Pruned calls keep their tags in the sums, so that a report of all time stays exact; of erased calls
only the tags stay that were asked for. Sessions, ids, times within a day, latencies, traces,
decisions, raw usage and feedback are in no sum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypeVar

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.totals import TAG, Totals, group_of, row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from tokenthrift.ledger.record import AttemptRecord, LedgerRecord

K = TypeVar("K")
S = TypeVar("S", Totals, "ChargeSums")
Why: TypeAlias = Literal["pruned", "erased"]
DAY: Final = timedelta(days=1)


class FoldKey(NamedTuple):
    """What sums of calls are kept by; ``tags`` is a JSON object with sorted keys."""

    why: str
    day: str
    kind: str
    wire: str
    status: str
    model_requested: str
    model_chosen: str
    model_baseline: str
    policy: str
    policy_digest: str
    holdout: str
    basis: str
    complexity: str
    tags: str


class ChargeKey(NamedTuple):
    """What sums of charges are kept by."""

    why: str
    day: str
    model: str
    service_tier: str
    tags: str


@dataclass(frozen=True, slots=True)
class ChargeSums:
    """Sums over what was paid for; the savings of a call stand at the charge of its answer.

    Attributes:
        attempts: with embeddings, which are charges too.
        unpriced_attempts: those without a known cost; 0 in ``cost_nanos``.
        calls: how many calls have their savings in this sum.
        seen_attempts: those that teach a `Correction`; ``seen_counted_tokens`` by our counter,
            ``seen_input_tokens`` as the provider reported.
    """

    attempts: int = 0
    unpriced_attempts: int = 0
    estimated_attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    baseline_nanos: int = 0
    actual_nanos: int = 0
    compression_nanos: int = 0
    routing_nanos: int = 0
    cache_nanos: int = 0
    overhead_nanos: int = 0
    net_nanos: int = 0
    seen_attempts: int = 0
    seen_counted_tokens: int = 0
    seen_input_tokens: int = 0

    def __add__(self, other: ChargeSums) -> ChargeSums:
        return ChargeSums(*(getattr(self, n) + getattr(other, n) for n in CHARGE_NAMES))


CHARGE_NAMES: Final = tuple(f.name for f in fields(ChargeSums))
_SPLIT: Final = CHARGE_NAMES[CHARGE_NAMES.index("baseline_nanos") :][:7]


@dataclass(frozen=True, slots=True)
class Folded:
    """Sums of calls, and of their charges; both over the same calls.

    Attributes:
        gone: digests of the ids of the erased calls among them, so that none comes again.
    """

    calls: Mapping[FoldKey, Totals] = field(default_factory=dict)
    charges: Mapping[ChargeKey, ChargeSums] = field(default_factory=dict)
    gone: frozenset[bytes] = frozenset()

    @classmethod
    def of(
        cls, records: Iterable[LedgerRecord], why: Why, keep: Collection[str] | None = None
    ) -> Folded:
        """The sums of records.

        Args:
            records: what goes.
            why: whether they grew old or were erased.
            keep: names of the tags that stay in the keys; None keeps all.
        """
        calls: dict[FoldKey, Totals] = {}
        charges: dict[ChargeKey, ChargeSums] = {}
        gone: set[bytes] = set()
        for record in records:
            if why == "erased":
                gone.add(digest_of(record.record_id))
            tags = tags_text(record.tags, keep)
            groups = [group_of(record, name) for name in FoldKey._fields[1:-1]]
            key = FoldKey._make((why, *groups, tags))
            _put(calls, key, row_of(record))
            for (model, tier), sums in charges_of(record):
                _put(charges, ChargeKey(why, key.day, model, tier, tags), sums)
        return cls(calls, charges, frozenset(gone))

    def __add__(self, other: Folded) -> Folded:
        calls, charges = dict(self.calls), dict(self.charges)
        for key, sums in other.calls.items():
            _put(calls, key, sums)
        for charge, cost in other.charges.items():
            _put(charges, charge, cost)
        return Folded(calls, charges, self.gone | other.gone)

    def where(self, wanted: Callable[[FoldKey | ChargeKey], bool]) -> Folded:
        """Only the sums whose keys are wanted, and no ids."""
        return Folded(
            {k: v for k, v in self.calls.items() if wanted(k)},
            {k: v for k, v in self.charges.items() if wanted(k)},
        )

    def retagged(self, keep: Collection[str]) -> Folded:
        """The same sums with the tags that stay."""
        calls: dict[FoldKey, Totals] = {}
        charges: dict[ChargeKey, ChargeSums] = {}
        for key, sums in self.calls.items():
            tags = tags_text(json.loads(key.tags), keep)
            _put(calls, key._replace(tags=tags), sums)
        for charge, cost in self.charges.items():
            tags = tags_text(json.loads(charge.tags), keep)
            _put(charges, charge._replace(tags=tags), cost)
        return Folded(calls, charges)

    def totals_by(
        self,
        key: str | None,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Totals]:
        """Sums by the value of a key; see `tokenthrift.ledger.totals.totals_by`.

        Args:
            key: what to group by; sessions are gone, and None puts all under the empty string.
            since: only days that begin then or later, as the times of calls are gone.
            tags: only calls that carried all of these.
        """
        groups: dict[str, Totals] = {}
        for found, sums in self.calls.items():
            if since is not None and midnight(found.day) < since:
                continue
            if not carries(found.tags, tags):
                continue
            _put(groups, _group(found, key), sums)
        return groups

    def days(self, why: Why | None = None) -> list[str]:
        """The days there are sums of, in order."""
        return sorted({k.day for k in self.charges if why in (None, k.why)})


def charges_of(record: LedgerRecord) -> list[tuple[tuple[str, str], ChargeSums]]:
    """What a record adds to the sums of charges, each by model and service tier."""
    found = [((a.model, a.service_tier), _charge(a)) for a in record.attempts]
    answers = [i for i, a in enumerate(record.attempts) if a.status == "ok"]
    at = answers[-1] if answers else len(found) - 1
    saved = _saved(record)
    if at < 0:
        return [((record.model_chosen or "", ""), saved)]
    found[at] = (found[at][0], found[at][1] + saved)
    return found


def new_folded(known: Folded, given: Folded, live: Iterable[tuple[str, str]], where: str) -> Folded:
    """What of given sums is not known yet.

    Args:
        known: the sums that a ledger has.
        given: the sums to take in.
        live: day and id of the ledger's records.
        where: what to call it in errors.

    Raises:
        LedgerError: other sums are known under one of the keys, or the ledger holds records that
            the sums may already hold: they would count twice.
    """
    pruned = set(given.days("pruned")) - set(known.days("pruned"))
    new_gone = given.gone - known.gone
    for day, record_id in live if pruned or new_gone else ():
        if day in pruned:
            raise LedgerError(
                f"{where}: holds records of {day}, and the given sums are of the pruned calls of "
                "that day, which may be the same; take them into another ledger"
            )
        if digest_of(record_id) in new_gone:
            raise LedgerError(
                f"{where}: holds record {record_id!r}, which was erased where the sums come from; "
                "erase the same here, then take them in"
            )
    pairs = [*_both(known.calls, given.calls), *_both(known.charges, given.charges)]
    if any(a != b for a, b in pairs):
        raise LedgerError(
            f"{where}: other sums of the same days and models are there; sums without details "
            "cannot be told apart, so take them into another ledger"
        )
    new = given.where(lambda key: key not in known.calls and key not in known.charges)
    return Folded(new.calls, new.charges, new_gone)


def check_erasure(
    tags: Mapping[str, str] | None, session: str | None, keep: Collection[str]
) -> None:
    """Refuse an erasure of everything, and one that would keep what it erases.

    Raises:
        ValueError: it is one of them.
    """
    if not tags and session is None:
        raise ValueError("say whose calls to erase: tags, or a session")
    kept = sorted(set(tags or ()) & set(keep))
    if kept:
        raise ValueError(f"tag {kept[0]!r} is both erased and kept; choose one")


def tags_text(tags: Mapping[str, str], keep: Collection[str] | None = None) -> str:
    """Tags as one text: a JSON object with sorted keys."""
    kept = {k: v for k, v in tags.items() if keep is None or k in keep}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(record_id: str) -> bytes:
    """What is kept of the id of an erased call: enough to know it when it comes again."""
    return blake2b(record_id.encode(), digest_size=16).digest()


def of_pruned_day(record: LedgerRecord, day: str, where: str) -> LedgerError:
    """The error for a record of a day whose calls are sums now."""
    return LedgerError(
        f"{where}: record {record.record_id!r} is of {group_of(record, 'day')}, and calls up to "
        f"{day} were pruned: they are sums now, so write it into another ledger"
    )


def carries(text: str, tags: Mapping[str, str] | None) -> bool:
    """Whether the tags of a key hold all of these."""
    return not tags or tags.items() <= json.loads(text).items()


def midnight(day: str) -> datetime:
    """When a day begins, in UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _put(sums: dict[K, S], key: K, more: S) -> None:
    sums[key] = sums[key] + more if key in sums else more


def _both(known: Mapping[K, S], given: Mapping[K, S]) -> list[tuple[S, S]]:
    return [(known[key], sums) for key, sums in given.items() if key in known]


def _group(found: FoldKey, key: str | None) -> str:
    if key is None:
        return ""
    if key.startswith(TAG):
        return str(json.loads(found.tags).get(key.removeprefix(TAG), ""))
    return str(getattr(found, key, ""))


def _charge(a: AttemptRecord) -> ChargeSums:
    seen = not a.estimated and a.counted_tokens > 0 and a.input_tokens > 0
    return ChargeSums(
        attempts=1,
        unpriced_attempts=int(a.cost_nanos is None),
        estimated_attempts=int(a.estimated),
        input_tokens=a.input_tokens,
        output_tokens=a.output_tokens,
        cache_read_tokens=a.cache_read_tokens,
        cache_write_tokens=a.cache_write_tokens,
        reasoning_tokens=a.reasoning_tokens,
        cost_nanos=a.cost_nanos or 0,
        seen_attempts=int(seen),
        seen_counted_tokens=a.counted_tokens if seen else 0,
        seen_input_tokens=a.input_tokens if seen else 0,
    )


def _saved(record: LedgerRecord) -> ChargeSums:
    sums = row_of(record)
    return ChargeSums(
        calls=1,
        unpriced_calls=sums.unpriced_calls,
        **{name: getattr(sums, name) for name in _SPLIT},
    )
