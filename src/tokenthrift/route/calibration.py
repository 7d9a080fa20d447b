"""Calibrate routing on somebody's own outcomes: abilities, a floor, and what that floor is worth.

One third knows nothing of the others: abilities are fitted on the first part of the prompts, the
floor is proven on the second, and what is claimed is measured on the third, which nothing before
has seen. Where the proof or the saving is missing, the result says so and routes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from tokenthrift.errors import OutcomeError
from tokenthrift.route.certificate import (
    Interval,
    advantage,
    last_proven,
    mean_of,
    p_value,
    rows_needed,
    saving_of,
)
from tokenthrift.route.findings import Calibration, Certificate, Contender, Promise, Tested
from tokenthrift.route.fitting import fit as fit_adequacy
from tokenthrift.route.reliability import reliability
from tokenthrift.route.rivals import by_length, cheapest, coin_at
from tokenthrift.route.splitting import Part, firsts_of, groups_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.certificate import FloatArray
    from tokenthrift.route.findings import Predictor
    from tokenthrift.route.outcomes import Outcomes
    from tokenthrift.route.splitting import IntArray

FLOORS: Final = tuple(round(1 - n / 100, 2) for n in range(101))
"""Strict ones first: the order in which floors are tested is fixed before anything is seen."""
LEAST_COVERAGE: Final = 0.9  # of the prompts of the model that answered most
LEAST_PROMPTS: Final = 60  # in all three parts together; less proves nothing whatever it says
LEAST_PART: Final = 8


class Fit(Protocol):
    """Learns abilities from outcomes."""

    def __call__(
        self, prompts: Sequence[str], scores: FloatArray, models: Sequence[str], /, *, seed: int
    ) -> Predictor:
        """Fit on (prompts, models) scores in [0, 1], nan where not recorded."""
        ...


def picks_at(probabilities: FloatArray, floor: float) -> IntArray:
    """The column each prompt goes to: the cheapest adequate one, else the ablest.

    Args:
        probabilities: (prompts, models) of P(adequate), the cheapest model first; nan is unknown,
            and not adequate.
        floor: P(adequate) from which on a model is adequate.
    """
    known = np.nan_to_num(probabilities, nan=-1.0)
    adequate = known >= floor
    first, ablest = adequate.argmax(axis=1), known.argmax(axis=1)
    return np.asarray(np.where(adequate.any(axis=1), first, ablest), np.int64)


def undominated(scores: FloatArray, prices: FloatArray, baseline: int) -> IntArray:
    """Columns that are worth choosing: cheaper than the baseline, and no other is better for less.

    Args:
        scores: (models,) mean scores.
        prices: (models,) mean costs, rising.
        baseline: column that is always among them, as the last.
    """
    kept: list[int] = []
    for model in range(baseline):
        if prices[model] < prices[baseline] and (not kept or scores[model] > scores[kept[-1]]):
            kept.append(model)
    return np.array([*kept, baseline], np.int64)


def calibrate(
    outcomes: Outcomes, promise: Promise | None = None, *, fit: Fit = fit_adequacy
) -> Calibration:
    """Calibrate on outcomes.

    Args:
        outcomes: of at least two models on the same prompts.
        promise: what is to hold.
        fit: learns abilities from outcomes.

    Raises:
        OutcomeError: the outcomes cannot show anything: one model only, too few prompts that all
            models answered, no costs, or a baseline that did not answer.
    """
    return _Procedure(outcomes, promise or Promise(), fit).result()


class _Procedure:
    """The steps, in order, on one table of outcomes."""

    def __init__(self, outcomes: Outcomes, promise: Promise, fit: Fit) -> None:
        self.promise = promise
        names, self.left_out = _covering(outcomes, promise.baseline)
        table = outcomes.take(np.arange(len(outcomes.prompts)), names)
        rows = _priced(table)
        groups = groups_of(table.prompts)
        parts = parts_of(table.prompts, groups, seed=promise.seed)
        self.counts = len(outcomes.prompts), len(rows), len(np.unique(groups[rows]))
        whole = {part: rows[parts[rows] == part] for part in Part}
        # Of near-copies one is tested: rows that hang together would prove more than they can.
        self.rows = {
            part: found if part is Part.FIT else found[firsts_of(groups[found])]
            for part, found in whole.items()
        }
        _check_counts([len(found) for found in self.rows.values()])
        spend = table.costs[self.rows[Part.FIT]].mean(axis=0)
        order = sorted(range(len(names)), key=lambda m: (spend[m], m))
        self.models = tuple(names[m] for m in order)
        self.table = table.take(np.arange(len(table.prompts)), self.models)
        self.fitted = np.flatnonzero(parts == Part.FIT)
        self.means = np.nanmean(self.table.scores[self.rows[Part.FIT]], axis=0)
        self.prices = self.table.costs[self.rows[Part.FIT]].mean(axis=0)
        best = int(np.argmax(self.means))  # of equals the cheapest, which stands first
        self.baseline = best if promise.baseline is None else self.models.index(promise.baseline)
        self.columns = undominated(self.means, self.prices, self.baseline)
        texts = [self.table.prompts[n] for n in self.fitted.tolist()]
        self.adequacy = fit(texts, self.table.scores[self.fitted], self.models, seed=promise.seed)

    def result(self) -> Calibration:
        """All of it."""
        tested = tuple(self.tests())
        place = last_proven([t.p_value for t in tested], 1 - self.promise.confidence)
        floor = None if place is None else tested[place].floor
        shown = floor if floor is not None else FLOORS[0]
        certificate = self.certificate(shown)
        rows = self.rows[Part.CERTIFY]
        scores, costs = self.table.scores[rows], self.table.costs[rows]
        return Calibration(
            promise=self.promise,
            models=self.models,
            candidates=self.names,
            left_out=self.left_out,
            counts=self.counts,
            parts=(len(self.fitted), len(self.rows[Part.CHOOSE]), len(rows)),
            baseline=self.models[self.baseline],
            adequacy=self.adequacy,
            tested=tested,
            floor=floor,
            certificate=certificate,
            singles=tuple(
                (name, float(costs[:, m].mean()), float(scores[:, m].mean()))
                for m, name in enumerate(self.models)
            ),
            reliability=reliability(
                np.nan_to_num(self.predicted(Part.CERTIFY), nan=0.0),
                scores,
                self.means,
                seed=self.promise.seed,
            ),
            refusals=tuple(self.refusals(floor, tested, certificate)),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the candidates."""
        return tuple(self.models[m] for m in self.columns.tolist())

    def picks(self, predicted: FloatArray, floor: float) -> IntArray:
        """The column that each prompt goes to at a floor."""
        return self.columns[picks_at(predicted[:, self.columns], floor)]

    def predicted(self, part: Part) -> FloatArray:
        """(prompts, models) of P(adequate) in a part."""
        texts = [self.table.prompts[n] for n in self.rows[part].tolist()]
        return self.adequacy.probabilities(texts, self.models)

    def tests(self) -> list[Tested]:
        """Every floor on the choosing part."""
        rows = self.rows[Part.CHOOSE]
        scores, costs = self.table.scores[rows], self.table.costs[rows]
        best, bill = scores[:, self.baseline], float(costs[:, self.baseline].sum())
        predicted = self.predicted(Part.CHOOSE)
        worse, level = self.promise.worse, 1 - self.promise.confidence
        found = []
        for floor in FLOORS:
            picks = self.picks(predicted, floor)
            routed = _chosen(scores, picks)
            better = advantage(routed, best, worse)
            found.append(
                Tested(
                    floor=floor,
                    lost=_lost(routed, best),
                    saving=1 - float(_chosen(costs, picks).sum()) / bill if bill else 0.0,
                    p_value=p_value(better, worse - 1, level=level, seed=self.promise.seed),
                )
            )
        return found

    def certificate(self, floor: float) -> Certificate:
        """What the untouched part shows of a floor."""
        rows = self.rows[Part.CERTIFY]
        scores, costs = self.table.scores[rows], self.table.costs[rows]
        predicted = self.predicted(Part.CERTIFY)
        picks = self.picks(predicted, floor)
        routed = _chosen(scores, picks), _chosen(costs, picks)
        base = scores[:, self.baseline], costs[:, self.baseline]
        spend = float(routed[1].mean())
        coin = coin_at(self.means, costs.mean(axis=0), spend)
        prompts = [self.table.prompts[n] for n in rows.tolist()]
        long = by_length(prompts, self.means, self.prices, costs, spend)
        first = cheapest(self.prices)

        def contender(name: str, score: FloatArray, cost: FloatArray) -> Contender:
            seed, sure = self.promise.seed, self.promise.confidence
            return Contender(
                name,
                mean_of(score, confidence=sure, seed=seed),
                mean_of(cost, confidence=sure, seed=seed),
                saving_of(cost, base[1], confidence=sure, seed=seed),
                mean_of(routed[0] - score, confidence=sure, seed=seed),
            )

        def mixed(values: FloatArray) -> FloatArray:
            return (1 - coin.share) * values[:, coin.weak] + coin.share * values[:, coin.strong]

        curve = []
        for at in FLOORS:
            way = self.picks(predicted, at)
            curve.append((float(_chosen(costs, way).mean()), float(_chosen(scores, way).mean())))
        return Certificate(
            routed=contender("routing", *routed),
            baseline=contender(self.models[self.baseline], *base),
            rivals=(
                contender(f"{self.models[first]} (cheapest)", scores[:, first], costs[:, first]),
                contender("longest prompts", _chosen(scores, long), _chosen(costs, long)),
                contender("random mix", mixed(scores), mixed(costs)),
            ),
            lost=_lost_interval(routed[0], base[0], self.promise),
            shares=tuple(
                (self.models[m], float((picks == m).mean())) for m in self.columns.tolist()
            ),
            curve=tuple(curve),
        )

    def refusals(
        self, floor: float | None, tested: Sequence[Tested], certificate: Certificate
    ) -> list[str]:
        """Why nothing should be routed, in words."""
        name, promise = self.models[self.baseline], self.promise
        if len(self.columns) == 1:
            return [f"nothing to choose from: no model is cheaper than {name} and worth it"]
        if floor is None:
            mean = float(self.means[self.baseline])
            least = rows_needed(promise.worse, promise.confidence, mean)
            why = (
                f"no floor is proven: the strictest loses {100 * tested[0].lost:.1f} % of the "
                f"score of {name} on {len(self.rows[Part.CHOOSE]):,} prompts; to prove that it is "
                f"at most {100 * promise.worse:.3g} % takes {least:,} prompts at the very least, "
                "and more where models disagree"
            )
            return [why]
        found = []
        if certificate.routed.saving.low <= 0:
            saving = certificate.routed.saving
            found.append(
                f"the saving is not above zero for sure: {100 * saving.value:.1f} % "
                f"[{100 * saving.low:.1f}, {100 * saving.high:.1f}] on untouched prompts"
            )
        if certificate.lost.low > promise.worse:
            found.append(
                "on untouched prompts more is lost than promised: "
                f"{100 * certificate.lost.value:.1f} % of the score of {name}"
            )
        return found


def _covering(
    outcomes: Outcomes, baseline: str | None
) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Models that answered nearly all prompts, and the others with how many they answered."""
    answered = np.isfinite(outcomes.scores).sum(axis=0)
    most = int(answered.max(initial=0))
    if baseline is not None and baseline not in outcomes.models:
        raise OutcomeError(
            f"the baseline {baseline!r} answered none of the prompts; the log has "
            f"{', '.join(outcomes.models)}"
        )
    kept = [
        m
        for m, count in zip(outcomes.models, answered.tolist(), strict=True)
        if count >= LEAST_COVERAGE * most or m == baseline
    ]
    if len(kept) < 2:
        raise OutcomeError(
            f"only {kept[0] if kept else 'no model'} answered most of the prompts; to compare "
            "models the same prompts must be answered by at least two of them"
        )
    counts = dict(zip(outcomes.models, answered.tolist(), strict=True))
    return tuple(kept), tuple((m, counts[m]) for m in outcomes.models if m not in kept)


def _priced(table: Outcomes) -> IntArray:
    """Rows where every model answered at a known cost."""
    complete = table.complete
    unknown = [
        name
        for m, name in enumerate(table.models)
        if len(complete) and not np.isfinite(table.costs[complete, m]).any()
    ]
    if unknown:
        raise OutcomeError(
            f"the costs of {', '.join(unknown)} are not known, so nothing can be said of savings; "
            "give cost_usd, or input_tokens and output_tokens of a model with a price (--cards)"
        )
    return complete[np.isfinite(table.costs[complete]).all(axis=1)]


def _check_counts(counts: Sequence[int]) -> None:
    if sum(counts) < LEAST_PROMPTS or min(counts) < LEAST_PART:
        raise OutcomeError(
            f"{sum(counts)} different prompts were answered by every model at a known cost; "
            f"calibration needs at least {LEAST_PROMPTS}, and some hundreds to prove anything"
        )


def _chosen(values: FloatArray, picks: IntArray) -> FloatArray:
    """(prompts,) the value of the chosen column."""
    return values[np.arange(len(values)), picks]


def _lost(routed: FloatArray, best: FloatArray) -> float:
    whole = float(best.sum())
    return 1 - float(routed.sum()) / whole if whole else 0.0


def _lost_interval(routed: FloatArray, best: FloatArray, promise: Promise) -> Interval:
    return saving_of(routed, best, confidence=promise.confidence, seed=promise.seed)
