"""P(adequate | request, model): what recorded outcomes say of a request and a model.

`Adequacy` foretells actions on a request (a `Forecaster`); it is fitted by
`tokenthrift.route.fitting.fit` and held in one small file of arrays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tokenthrift.route.features import features
from tokenthrift.route.forecast import Forecast
from tokenthrift.route.wording import request_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenthrift.route.forecast import Action
    from tokenthrift.types import Request

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Adequacy:
    """What is known of models, by the requests they were seen on.

    Attributes:
        models: their names.
        weights: (features, models).
        rates: (models,) share of adequate answers.
        spread: (models,) standard error of the forecasts.
    """

    models: tuple[str, ...]
    weights: FloatArray
    rates: FloatArray
    spread: FloatArray

    def probabilities(self, prompts: Sequence[str], models: Sequence[str]) -> FloatArray:
        """(prompts, models) of P(adequate), in [0, 1]; nan where nothing is known of a model.

        Args:
            prompts: texts as users wrote them.
            models: names.
        """
        found = np.clip(features(prompts) @ self.weights + self.rates, 0.0, 1.0)
        place = {m: n for n, m in enumerate(self.models)}
        out = np.full((len(prompts), len(models)), np.nan)
        for n, model in enumerate(models):
            if model in place:
                out[:, n] = found[:, place[model]]
        return out

    def __call__(self, request: Request, actions: Sequence[Action]) -> list[Forecast | None]:
        """One forecast an action, in order; None where nothing at all is known of the model."""
        names = [a.card.name for a in actions]
        p = self.probabilities([request_text(request)], names)[0]
        spread = dict(zip(self.models, self.spread, strict=True))
        return [
            None
            if np.isnan(x)
            else Forecast(
                float(x),
                max(0.0, float(x - 1.96 * spread[name])),
                min(1.0, float(x + 1.96 * spread[name])),
                basis="fitted on recorded outcomes",
            )
            for name, x in zip(names, p, strict=True)
        ]

    def save(self, path: Path) -> None:
        """Write it as one ``.npz``."""
        names = np.frombuffer(json.dumps(self.models).encode(), np.uint8)
        with path.open("wb") as stream:
            np.savez_compressed(
                stream, models=names, weights=self.weights, rates=self.rates, spread=self.spread
            )

    @classmethod
    def load(cls, path: Path) -> Adequacy:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            models = tuple(json.loads(held["models"].tobytes()))
            return cls(models, held["weights"], held["rates"], held["spread"])
