"""Outcomes of calls: which model answered which prompt how well, and for what money.

Read from lines of JSON, one an answer::

    {"prompt": "…", "model": "gpt-4o-mini", "score": 1, "cost_usd": 0.00021}

`messages` may stand for `prompt`, and `input_tokens` with `output_tokens` for `cost_usd`. What is
not known stays unknown: no cost is guessed, no outcome filled in.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tokenthrift.catalog import cost
from tokenthrift.errors import OutcomeError, WireError
from tokenthrift.route.wording import request_text
from tokenthrift.types import Usage
from tokenthrift.wire import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tokenthrift.catalog import Catalog
    from tokenthrift.route.certificate import FloatArray
    from tokenthrift.route.splitting import IntArray

TOKEN_KEYS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer and what it was worth.

    Attributes:
        score: from 0 (useless) to 1 (as good as can be).
        cost_usd: what it cost; None is not known.
    """

    prompt: str
    model: str
    score: float
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Answers as a table of prompts and models.

    Attributes:
        prompts: different texts, in order of first appearance.
        models: names, in order of first appearance.
        scores: (prompts, models) in [0, 1]; nan where that model never answered that prompt.
        costs: (prompts, models) in US dollars; nan where it is not known.
    """

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    scores: FloatArray
    costs: FloatArray

    @classmethod
    def of(cls, rows: Iterable[Scored]) -> Outcomes:
        """The table of answers; several of one model to one prompt count as their mean."""
        cells: dict[tuple[str, str], list[Scored]] = {}
        for row in rows:
            cells.setdefault((row.prompt, row.model), []).append(row)
        prompts = tuple(dict.fromkeys(prompt for prompt, _ in cells))
        models = tuple(dict.fromkeys(model for _, model in cells))
        scores = np.full((len(prompts), len(models)), np.nan)
        costs = scores.copy()
        row_of = {prompt: n for n, prompt in enumerate(prompts)}
        column_of = {model: n for n, model in enumerate(models)}
        for (prompt, model), found in cells.items():
            place = row_of[prompt], column_of[model]
            scores[place] = np.mean([s.score for s in found])
            known = [s.cost_usd for s in found if s.cost_usd is not None]
            if len(known) == len(found):
                costs[place] = np.mean(known)
        return cls(prompts, models, scores, costs)

    def take(self, rows: IntArray, models: Sequence[str]) -> Outcomes:
        """Some prompts and some models of it."""
        columns = np.array([self.models.index(m) for m in models], np.int64)
        return Outcomes(
            tuple(self.prompts[n] for n in rows.tolist()),
            tuple(models),
            self.scores[np.ix_(rows, columns)],
            self.costs[np.ix_(rows, columns)],
        )

    @property
    def complete(self) -> IntArray:
        """The rows where every model answered."""
        return np.flatnonzero(np.isfinite(self.scores).all(axis=1))


def read_outcomes(
    lines: Iterable[tuple[str, bytes]],
    catalog: Catalog,
    calls: Mapping[str, Mapping[str, Any]] | None = None,
    model: str | None = None,
) -> list[Scored]:
    """Read outcomes from lines of JSON.

    Args:
        lines: each with where it stands (``file:line``), for messages.
        catalog: prices the tokens of lines that hold no ``cost_usd``.
        calls: what a ledger knows of calls by their id: ``model``, ``cost_usd``, ``score``. A line
            with a ``call_id`` takes from there what it does not say itself.
        model: of lines that name none.

    Raises:
        OutcomeError: a line is not an outcome; says where, what, and what to do.
    """
    given = {} if model is None else {"model": model}
    found = [_scored(where, line, catalog, calls, given) for where, line in lines]
    if not found:
        raise OutcomeError(
            "no outcomes: give lines such as "
            '{"prompt": "...", "model": "gpt-4o-mini", "score": 1, "cost_usd": 0.0002}'
        )
    return found


def _scored(
    where: str,
    line: bytes,
    catalog: Catalog,
    calls: Mapping[str, Mapping[str, Any]] | None,
    given: Mapping[str, Any],
) -> Scored:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise OutcomeError(f"{where}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise OutcomeError(f"{where}: an outcome is an object with prompt, model and score")
    data = {**given, **_with_call(where, data, calls)}
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise OutcomeError(f"{where}: model is missing; name the model that answered")
    return Scored(_prompt(where, data), model, _score(where, data), _cost(where, data, catalog))


def _with_call(
    where: str, data: dict[str, Any], calls: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, Any]:
    call_id = data.get("call_id")
    if call_id is None or calls is None:
        return data
    known = calls.get(str(call_id))
    if known is None:
        raise OutcomeError(f"{where}: the ledger knows no call {call_id!r}; check --ledger")
    return {**known, **data}


def _prompt(where: str, data: Mapping[str, Any]) -> str:
    prompt, messages = data.get("prompt"), data.get("messages")
    if isinstance(prompt, str) and prompt.strip():
        return prompt
    if not isinstance(messages, list) or not messages:
        raise OutcomeError(f"{where}: prompt is missing; give the prompt's text, or its messages")
    try:
        text = request_text(read({"model": str(data.get("model", "")), "messages": messages}))
    except WireError as error:
        raise OutcomeError(f"{where}: {error}") from error
    if not text.strip():
        raise OutcomeError(f"{where}: messages hold no text of a user; give prompt instead")
    return text


def _score(where: str, data: Mapping[str, Any]) -> float:
    score = data.get("score")
    if score is None:
        hint = "; give it, or record feedback for the call" if "call_id" in data else ""
        raise OutcomeError(f"{where}: score is missing{hint}; 0 is useless, 1 is as good as can be")
    if not isinstance(score, bool | int | float) or not 0 <= score <= 1:
        raise OutcomeError(
            f"{where}: score is {score!r}; it must be a number from 0 to 1 (divide by the best "
            "grade that there is)"
        )
    return float(score)


def _cost(where: str, data: Mapping[str, Any], catalog: Catalog) -> float | None:
    given = data.get("cost_usd")
    if given is not None:
        return _number(where, "cost_usd", given)
    tokens = data.get("input_tokens"), data.get("output_tokens")
    card = catalog.get(data["model"])
    if None in tokens or card is None:
        return None
    input_tokens, output_tokens, read_tokens, write_tokens, reasoning_tokens = (
        int(_number(where, name, data.get(name) or 0)) for name in TOKEN_KEYS
    )
    money = cost(
        Usage(input_tokens, output_tokens, read_tokens, write_tokens, reasoning_tokens), card
    )
    return None if money is None else float(money.usd)


def _number(where: str, name: str, value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type,operator]  # a number, as just checked
        raise OutcomeError(f"{where}: {name} is {value!r}; it must be a number from 0 on, or null")
    return float(value)  # type: ignore[arg-type]  # the same
