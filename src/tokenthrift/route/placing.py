"""A new model: its ability from anchor results, or from a stated score with a wide interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.errors import OutcomeError
from tokenthrift.route.certificate import Interval
from tokenthrift.route.features import measured
from tokenthrift.route.items import logistic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.adequacy import Adequacy, FloatArray

LEAST_ANCHORS: Final = 50
ANCHORS_ENOUGH: Final = 200
NORMAL_95: Final = 1.959964
# A score that somebody stated may be off by a unit of log-odds (0.5 for 0.73) on other traffic.
STATED_VARIANCE: Final = 1.0
TYPICAL: Final = 1_024  # difficulties of about unit spread, which a stated score is taken to be of
HALVINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Placed:
    """A model with its place among the others.

    Attributes:
        adequacy: that knows the model.
        anchors: results that its place rests on; 0 where it is stated.
        observed: mean score of the anchors, or the stated score.
        foretold: mean P(adequate) on the same requests, with a 95 % interval.
        before: the same without the anchors: what a model like the others would be foretold; None
            where the place is stated.
    """

    model: str
    adequacy: Adequacy
    anchors: int
    observed: float
    foretold: Interval
    before: float | None = None


def by_anchors(
    adequacy: Adequacy,
    model: str,
    prompts: Sequence[str],
    scores: FloatArray,
    *,
    force: bool = False,
) -> Placed:
    """Place a model by its results on some prompts.

    Args:
        adequacy: that knows the other models.
        model: its name.
        prompts: different texts, best 50 to 200 of the user's own.
        scores: (anchors,) in [0, 1].
        force: take fewer than 50.

    Raises:
        OutcomeError: there are too few anchors.
    """
    least = 1 if force else LEAST_ANCHORS
    if len(prompts) < least:
        raise OutcomeError(
            f"{len(prompts)} anchor results of {model}; {LEAST_ANCHORS} to {ANCHORS_ENOUGH} place "
            "a model well, and with fewer it would be chosen by chance; give more, or use --force"
        )
    placed = adequacy.place(model, prompts, scores)
    hard = adequacy.difficulties(measured(prompts))
    unknown = np.hstack([hard, np.ones((len(hard), 1))]) @ adequacy.items.prior
    return Placed(
        model=model,
        adequacy=placed,
        anchors=len(prompts),
        observed=float(np.mean(scores)),
        foretold=_foretold(placed, model, hard),
        before=float(logistic(unknown).mean()),
    )


def by_score(adequacy: Adequacy, model: str, score: float, like: str) -> Placed:
    """Place a model by a score that somebody states, with the strengths of another one.

    Args:
        adequacy: that knows the other model.
        model: its name.
        score: the mean score on typical requests, between 0 and 1.
        like: a known model whose strengths and weaknesses it is taken to share.

    Raises:
        OutcomeError: nothing is known of ``like``, or the score is not between 0 and 1.
    """
    if like not in adequacy.models:
        known = ", ".join(adequacy.models[:12]) + (", ..." if len(adequacy.models) > 12 else "")
        raise OutcomeError(f"nothing is known of {like!r}; known are {known}")
    if not 0 < score < 1:
        raise OutcomeError(f"score is {score:g}; it must lie between 0 and 1")
    items, at = adequacy.items, adequacy.models.index(like)
    dims = items.abilities.shape[1] - 1
    hard = np.random.default_rng(0).standard_normal((TYPICAL, dims))
    ability = items.abilities[at].copy()
    plain = hard @ ability[:-1]
    low, high = -40.0, 40.0
    for _ in range(HALVINGS):
        ability[-1] = (low + high) / 2
        short = logistic(plain + ability[-1]).mean() < score
        low, high = (ability[-1], high) if short else (low, ability[-1])
    covariance = np.diag(1 / items.prior_precision)
    covariance[-1, -1] = max(covariance[-1, -1], STATED_VARIANCE)
    others = [n for n, name in enumerate(adequacy.models) if name != model]
    placed = replace(
        adequacy,
        models=(*(adequacy.models[n] for n in others), model),
        items=replace(
            items,
            abilities=np.vstack([items.abilities[others], ability]),
            covariances=np.concatenate([items.covariances[others], covariance[None]]),
        ),
        counts=np.append(adequacy.counts[others], 0),
        amounts=None if adequacy.amounts is None else adequacy.amounts.without(others),
    )
    return Placed(model, placed, 0, score, _foretold(placed, model, hard))


def _foretold(adequacy: Adequacy, model: str, hard: FloatArray) -> Interval:
    """Mean P(adequate) on some requests, and what it is at the ends of the ability's interval."""
    at = adequacy.models.index(model)
    x = np.hstack([hard, np.ones((len(hard), 1))])
    logits = x @ adequacy.items.abilities[at]
    # How uncertain the mean is: the error of the ability in the direction of the mean request.
    weight = logistic(logits) * (1 - logistic(logits))
    middle = weight @ x / max(float(weight.sum()), 1e-9)
    error = float(np.sqrt(middle @ adequacy.items.covariances[at] @ middle))
    value, low, high = (
        float(logistic(logits + z * error).mean()) for z in (0.0, -NORMAL_95, NORMAL_95)
    )
    return Interval(value, low, high)
