"""P(adequate | request, model): what recorded outcomes say of a request and a model.

`Adequacy` foretells actions on a request (a `Forecaster`); it is fitted by
`tokenthrift.route.fitting.fit` and held in one small file of arrays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from tokenthrift.errors import TokenthriftError
from tokenthrift.route.difficulty import Directions
from tokenthrift.route.features import Lens, Measured, measured
from tokenthrift.route.forecast import Forecast
from tokenthrift.route.items import Items, logistic
from tokenthrift.route.wording import request_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tokenthrift.route.forecast import Action
    from tokenthrift.types import Request

FloatArray = npt.NDArray[np.float64]

FILE: Final = "adequacy.npz"
NORMAL_95: Final = 1.959964


class AdequacyError(TokenthriftError):
    """The file is missing or holds no fitted adequacy; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class Adequacy:
    """What is known of models, by the requests they were seen on.

    Attributes:
        models: their names.
        lens: measures to vectors.
        directions: vectors to difficulties.
        items: abilities.
        counts: (models,) outcomes that each ability rests on.
        about: how it was fitted; JSON.
    """

    models: tuple[str, ...]
    lens: Lens
    directions: Directions
    items: Items
    counts: npt.NDArray[np.int64]
    about: Mapping[str, Any]

    def difficulties(self, texts: Measured) -> FloatArray:
        """(n, dims) difficulties of measured texts."""
        return self.directions(self.lens(texts))

    def probabilities(self, prompts: Sequence[str], models: Sequence[str]) -> FloatArray:
        """(prompts, models) of P(adequate), in [0, 1]; nan where nothing is known of a model.

        Args:
            prompts: texts as users wrote them.
            models: names.
        """
        found = logistic(self.items.logits(self.difficulties(measured(prompts))))
        out = np.full((len(prompts), len(models)), np.nan)
        place = {m: n for n, m in enumerate(self.models)}
        for n, model in enumerate(models):
            if model in place:
                out[:, n] = found[:, place[model]]
        return out

    def __call__(self, request: Request, actions: Sequence[Action]) -> list[Forecast | None]:
        """One forecast an action, in order; None where nothing at all is known of the model."""
        hard = self.difficulties(measured([request_text(request)]))
        logits, errors = self.items.logits(hard)[0], self.items.errors(hard)[0]
        place = {m: n for n, m in enumerate(self.models)}
        out: list[Forecast | None] = []
        for action in actions:
            n = next((place[x] for x in (action.card.name, *action.card.aliases) if x in place), -1)
            if n < 0:
                out.append(None)
                continue
            ends = logits[n] + np.array([0, -1, 1]) * NORMAL_95 * errors[n]
            p, low, high = (float(v) for v in logistic(ends))
            out.append(
                Forecast(p, low, high, basis=f"ability from {self.counts[n]} recorded outcomes")
            )
        return out

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
        return replace(self, models=names, items=items, counts=counts)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz``."""
        words = {"models": self.models, "about": dict(self.about)}
        with path.open("wb") as stream:
            np.savez_compressed(
                stream,
                words=np.frombuffer(json.dumps(words, sort_keys=True).encode(), np.uint8),
                runs=self.lens.runs,
                run_weights=self.lens.weights.astype(np.float16),
                centre=self.lens.centre,
                scale=self.lens.scale,
                meaning_waves=self.lens.meaning_waves.astype(np.float16),
                shape_waves=self.lens.shape_waves.astype(np.float16),
                directions=self.directions.weights.astype(np.float16),
                offset=self.directions.offset,
                strength=self.directions.strength,
                abilities=self.items.abilities,
                covariances=self.items.covariances.astype(np.float32),
                prior=self.items.prior,
                prior_precision=self.items.prior_precision,
                counts=self.counts,
            )

    @classmethod
    def load(cls, path: Path) -> Adequacy:
        """Read what `save` wrote.

        Raises:
            AdequacyError: the file is not there or is none of these.
        """
        return _read(path)


@lru_cache(maxsize=1)
def shipped() -> Adequacy:
    """What ships with the package, fitted on public outcomes (see ADEQUACY.md); read once.

    Raises:
        AdequacyError: the file is missing or damaged.
    """
    return _read(resources.files("tokenthrift.route").joinpath(FILE))


def _read(path: Any) -> Adequacy:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            return _adequacy({name: held[name] for name in held.files})
    except FileNotFoundError as error:
        raise AdequacyError(
            f"{path}: no such file; fit one, or install tokenthrift again"
        ) from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise AdequacyError(f"{path}: no fitted adequacy ({error}); fit it again") from error


def _adequacy(held: Mapping[str, Any]) -> Adequacy:
    def narrow(name: str) -> npt.NDArray[np.float32]:
        return np.asarray(held[name], np.float32)

    words = json.loads(held["words"].tobytes())
    return Adequacy(
        tuple(words["models"]),
        Lens(
            held["runs"],
            narrow("run_weights"),
            narrow("centre"),
            narrow("scale"),
            narrow("meaning_waves"),
            narrow("shape_waves"),
        ),
        Directions(narrow("directions"), narrow("offset"), float(held["strength"])),
        Items(
            held["abilities"],
            np.asarray(held["covariances"], np.float64),
            held["prior"],
            held["prior_precision"],
        ),
        held["counts"],
        words["about"],
    )
