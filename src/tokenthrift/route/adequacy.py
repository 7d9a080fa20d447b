"""P(adequate | request, model): what recorded outcomes say of a request and a model.

`Adequacy` foretells actions on a request (a `Forecaster`); it is fitted by
`tokenthrift.route.fitting.fit` and held in one small file of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.route.amounts import Amounts
from tokenthrift.route.archive import AdequacyError, read_arrays, write_arrays
from tokenthrift.route.difficulty import Directions
from tokenthrift.route.effort import Effort
from tokenthrift.route.features import Lens, Measured, measured
from tokenthrift.route.forecast import Forecast
from tokenthrift.route.items import Items, logistic
from tokenthrift.route.wording import request_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tokenthrift.route.forecast import Action
    from tokenthrift.types import Request

FloatArray = npt.NDArray[np.float64]

FILE: Final = "adequacy.npz"
NORMAL_95: Final = 1.959964


# Standard error, in log odds, of a request unlike all that was fitted on.
NOVEL_ERROR: Final = 1.5
# Hidden reasoning as a multiple of the visible answer. Assumed: no recorded source counts it.
REASONING: Final[Mapping[Effort, float]] = {
    Effort.NONE: 0.0, Effort.MINIMAL: 0.25, Effort.LOW: 1.0, Effort.MEDIUM: 3.0,
    Effort.HIGH: 8.0, Effort.XHIGH: 12.0, Effort.MAX: 16.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Adequacy:
    """What is known of models, by the requests they were seen on.

    Attributes:
        models: their names.
        lens: measures to vectors.
        directions: vectors to difficulties.
        items: abilities.
        counts: (models,) outcomes that each ability rests on.
        familiar: share of known runs in the median text fitted on.
        amounts: output tokens, for the same models; None where they were not recorded.
        about: how it was fitted; JSON.
        before: what was known earlier, asked for models that are not known here.
    """

    models: tuple[str, ...]
    lens: Lens
    directions: Directions
    items: Items
    counts: npt.NDArray[np.int64]
    familiar: float
    about: Mapping[str, Any]
    amounts: Amounts | None = None
    before: Adequacy | None = None

    def difficulties(self, texts: Measured) -> FloatArray:
        """(n, dims) difficulties of measured texts."""
        return self.directions(self.lens(texts))

    def novelty(self, texts: Measured) -> FloatArray:
        """(n,) how unlike what was fitted on, in [0, 1]: by the runs that were never seen there."""
        known = [len(self.lens.run_weights(r)[0]) / max(1, len(r)) for r in texts.runs]
        return np.clip(1 - np.array(known) / max(self.familiar, 1e-9), 0.0, 1.0)

    def probabilities(self, prompts: Sequence[str], models: Sequence[str]) -> FloatArray:
        """(prompts, models) of P(adequate), in [0, 1]; nan where nothing is known of a model.

        Args:
            prompts: texts as users wrote them.
            models: names.
        """
        texts = measured(prompts)
        out = np.full((len(prompts), len(models)), np.nan)
        for held in self.line():
            missing = [n for n, m in enumerate(models) if m in held.models and m not in self.models]
            known = [n for n, m in enumerate(models) if m in self.models]
            wanted = known if held is self else missing
            if wanted:
                p = logistic(held.items.logits(held.difficulties(texts)))
                out[:, wanted] = p[:, [held.models.index(models[n]) for n in wanted]]
        return out

    def __call__(self, request: Request, actions: Sequence[Action]) -> list[Forecast | None]:
        """One forecast an action, in order; None where nothing at all is known of the model."""
        texts = measured([request_text(request)])
        found = [held.forecaster(texts) for held in self.line()]
        return [
            next((f for f in (ask(a) for ask in found) if f is not None), None) for a in actions
        ]

    def forecaster(self, texts: Measured) -> Callable[[Action], Forecast | None]:
        """Foretells actions on one measured text.

        Args:
            texts: one.
        """
        x = self.lens(texts)
        hard = self.directions(x)
        novelty = float(self.novelty(texts)[0])
        logits = self.items.logits(hard)[0]
        errors = np.hypot(self.items.errors(hard)[0], NOVEL_ERROR * novelty)
        tokens = None if self.amounts is None else self.amounts(x)[0]

        def forecast(action: Action) -> Forecast | None:
            names = (action.card.name, *action.card.aliases)
            n = next((self.models.index(m) for m in names if m in self.models), -1)
            if n < 0:
                return None
            ends = logits[n] + np.array([0, -1, 1]) * NORMAL_95 * errors[n]
            p, low, high = (float(v) for v in logistic(ends))
            visible = None if tokens is None or np.isnan(tokens[n]) else round(float(tokens[n]))
            hidden = None
            if visible is not None and action.effort is not None:
                hidden = round(visible * REASONING[action.effort])
            return Forecast(
                p,
                low,
                high,
                output_tokens=None if visible is None else visible + (hidden or 0),
                reasoning_tokens=hidden,
                novelty=novelty,
                basis=f"ability from {self.counts[n]} recorded outcomes",
            )

        return forecast

    def line(self) -> list[Adequacy]:
        """This one, and all that was known before, latest first."""
        return [self, *(self.before.line() if self.before else [])]

    def place(self, model: str, prompts: Sequence[str], scores: FloatArray) -> Adequacy:
        """With one model more, or anew, from its scores on some prompts.

        Args:
            model: its name; an ability known before is replaced.
            prompts: anchors; 50 to 200 of them say a good deal.
            scores: (anchors,) in [0, 1].

        Raises:
            ValueError: as many scores as prompts are needed, each in [0, 1].
        """
        scores = np.asarray(scores, np.float64)
        if scores.shape != (len(prompts),) or not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("one score in [0, 1] is needed for each anchor prompt")
        ability, covariance = self.items.place(self.difficulties(measured(prompts)), scores)
        others = [n for n, m in enumerate(self.models) if m != model]
        items = replace(
            self.items,
            abilities=np.vstack([self.items.abilities[others], ability]),
            covariances=np.concatenate([self.items.covariances[others], covariance[None]]),
        )
        names = (*(self.models[n] for n in others), model)
        counts = np.append(self.counts[others], len(prompts))
        amounts = None if self.amounts is None else self.amounts.without(others)
        return replace(self, models=names, items=items, counts=counts, amounts=amounts)

    def save(self, path: Path) -> None:
        """Write it, with what was known before, as one ``.npz``."""
        write_arrays(path, _arrays(self), _words(self))

    @classmethod
    def load(cls, path: Path) -> Adequacy:
        """Read what `save` wrote.

        Raises:
            AdequacyError: the file is not there or is none of these.
        """
        arrays, words = read_arrays(path)
        try:
            return _adequacy(arrays, words)
        except KeyError as error:
            raise AdequacyError(f"{path}: no fitted adequacy (no {error}); fit it again") from error


def _words(held: Adequacy) -> dict[str, Any]:
    return {
        "models": list(held.models),
        "about": dict(held.about),
        "before": _words(held.before) if held.before else None,
    }


def _arrays(held: Adequacy) -> dict[str, Any]:
    """Arrays by name, those of the map and of the lens as half floats."""
    half = np.float16
    arrays: dict[str, Any] = {
        "runs": held.lens.runs,
        "run_weights": held.lens.weights.astype(half),
        "centre": held.lens.centre,
        "scale": held.lens.scale,
        "meaning_waves": held.lens.meaning_waves.astype(half),
        "shape_waves": held.lens.shape_waves.astype(half),
        "directions": held.directions.weights.astype(half),
        "offset": held.directions.offset,
        "strength": held.directions.strength,
        "abilities": held.items.abilities,
        "covariances": held.items.covariances.astype(np.float32),
        "prior": held.items.prior,
        "prior_precision": held.items.prior_precision,
        "counts": held.counts,
        "familiar": held.familiar,
    }
    if held.amounts is not None:
        arrays |= {
            "size_directions": held.amounts.directions.weights.astype(half),
            "size_offset": held.amounts.directions.offset,
            "size_strength": held.amounts.directions.strength,
            "size_slopes": held.amounts.slopes,
        }
    if held.before is not None:
        arrays |= {f"before/{k}": v for k, v in _arrays(held.before).items()}
    return arrays


@lru_cache(maxsize=1)
def shipped() -> Adequacy:
    """What ships with the package, fitted on public outcomes (see ADEQUACY.md); read once.

    Raises:
        AdequacyError: the file is missing or damaged.
    """
    with resources.as_file(resources.files("tokenthrift.route").joinpath(FILE)) as path:
        return Adequacy.load(path)


def _adequacy(held: Mapping[str, Any], words: Mapping[str, Any]) -> Adequacy:
    def narrow(name: str) -> npt.NDArray[np.float32]:
        return np.asarray(held[name], np.float32)

    amounts = None
    if "size_slopes" in held:
        sizes = Directions(
            narrow("size_directions"), narrow("size_offset"), float(held["size_strength"])
        )
        amounts = Amounts(sizes, held["size_slopes"])
    start = "before/"
    earlier = {k.removeprefix(start): v for k, v in held.items() if k.startswith(start)}
    lens = Lens(
        held["runs"],
        narrow("run_weights"),
        narrow("centre"),
        narrow("scale"),
        narrow("meaning_waves"),
        narrow("shape_waves"),
    )
    return Adequacy(
        models=tuple(words["models"]),
        lens=lens,
        directions=Directions(narrow("directions"), narrow("offset"), float(held["strength"])),
        items=Items(
            held["abilities"],
            np.asarray(held["covariances"], np.float64),
            held["prior"],
            held["prior_precision"],
        ),
        counts=held["counts"],
        familiar=float(held["familiar"]),
        about=words["about"],
        amounts=amounts,
        before=_adequacy(earlier, words["before"]) if words["before"] else None,
    )
