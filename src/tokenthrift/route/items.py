"""The item-response part: how the difficulty of a request meets the ability of a model.

P(adequate) = logistic(ability . difficulty + level): a difficulty of several dimensions a request,
an ability in each of them and a level a model (multidimensional two-parameter model; Reckase,
2009).
Abilities are shrunk to those of the other models; what is known badly has a wide interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

ROUNDS: Final = 30
SHRINKAGE: Final = 3.0  # precision of an ability around that of the others
LEVEL_SHRINKAGE: Final = 0.1
PLAIN_SHRINKAGE: Final = 0.5  # of the abilities of all around nothing
LARGEST_STEP: Final = 2.0


@dataclass(frozen=True, slots=True)
class Items:
    """Abilities of models.

    Attributes:
        abilities: (models, dims + 1), the level last.
        covariances: (models, dims + 1, dims + 1) of them.
        prior: (dims + 1,) abilities of a model that nothing is known of.
        prior_precision: (dims + 1,).
    """

    abilities: FloatArray
    covariances: FloatArray
    prior: FloatArray
    prior_precision: FloatArray

    def logits(self, difficulties: FloatArray) -> FloatArray:
        """(requests, models) of log odds."""
        return np.asarray(_with_level(difficulties) @ self.abilities.T)

    def errors(self, difficulties: FloatArray) -> FloatArray:
        """(requests, models) standard errors of the log odds."""
        x = _with_level(difficulties)
        return np.asarray(np.sqrt(np.einsum("qi,mij,qj->qm", x, self.covariances, x)))

    def place(self, difficulties: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Ability and covariance of a new model from its scores on some requests.

        Args:
            difficulties: (anchors, dims).
            scores: (anchors,) in [0, 1].
        """
        x = _with_level(difficulties)
        ability = self.prior[None].copy()
        known = np.ones((len(scores), 1))
        for _ in range(ROUNDS):
            ability, covariance = _newton(
                x, scores[:, None], known, ability, (self.prior, self.prior_precision)
            )
        return ability[0], covariance[0]


def fit_items(difficulties: FloatArray, scores: FloatArray) -> Items:
    """Fit abilities by penalised likelihood.

    Args:
        difficulties: (requests, dims), of about unit spread.
        scores: (requests, models) in [0, 1]; nan where not recorded.
    """
    x = _with_level(difficulties)
    known = np.isfinite(scores).astype(np.float64)
    y = np.nan_to_num(scores)
    dims = x.shape[1]
    precision = np.full(dims, SHRINKAGE)
    precision[-1] = LEVEL_SHRINKAGE
    prior = np.zeros(dims)
    ability = np.zeros((scores.shape[1], dims))
    for _ in range(ROUNDS):
        ability, covariance = _newton(x, y, known, ability, (prior, precision))
        shrunk = ability.sum(axis=0) * precision
        prior = shrunk / (len(ability) * precision + PLAIN_SHRINKAGE)
    spread = np.maximum(ability.var(axis=0), 0.05) if len(ability) > 2 else 1 / precision
    return Items(ability, covariance, prior, 1 / np.maximum(spread, 1e-3))


def _newton(
    x: FloatArray,
    y: FloatArray,
    known: FloatArray,
    ability: FloatArray,
    prior: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """One bounded step for every model at once, and the covariance there."""
    mean, precision = prior
    p = logistic(x @ ability.T)
    gradient = (known * (y - p)).T @ x - (ability - mean) * precision
    weight = np.maximum(p * (1 - p), 1e-4) * known
    hessian = np.einsum("qi,qm,qj->mij", x, weight, x, optimize=True) + np.diag(precision)
    covariance = np.linalg.inv(hessian)
    step = np.einsum("mij,mj->mi", covariance, gradient)
    return ability + np.clip(step, -LARGEST_STEP, LARGEST_STEP), covariance


def logistic(x: FloatArray) -> FloatArray:
    """Probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))


def _with_level(difficulties: FloatArray) -> FloatArray:
    return np.hstack([difficulties, np.ones((len(difficulties), 1))])
