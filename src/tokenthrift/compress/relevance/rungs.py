"""The ladder of scorers behind one interface: `fast`, `static`, `encoder`, or one of your own.

A policy names the rung. Every rung starts from the words of `fast`; what a higher one adds is kept
apart, so that a score can be explained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from tokenthrift.compress.relevance.languages import language_of
from tokenthrift.compress.relevance.lexical import (
    AGENT_WINDOWS,
    WINDOWS,
    Score,
    lexical_score,
    query_terms,
)
from tokenthrift.compress.relevance.material import FloatArray
from tokenthrift.compress.relevance.vectors import static_score
from tokenthrift.compress.relevance.words import words_of

if TYPE_CHECKING:
    from tokenthrift.compress.relevance.material import Units
    from tokenthrift.encoders.static import StaticTable

RungName: TypeAlias = Literal["fast", "static", "encoder"]
Scorer: TypeAlias = Callable[[str, Sequence[str], Sequence[int]], FloatArray]
"""``(question, units, groups) -> (n,) float32``, 0 or more; groups are numbers that do not fall."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        text: the words of the question.
        trajectory: in an agent loop the model's last texts and calls, newest first; names that
            recur in both weigh as the question's own.
    """

    text: str
    trajectory: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """Which scorer, with what it needs beside the text.

    Attributes:
        table: for ``static``.
        scorer: your own, instead of any of ours.
    """

    name: RungName = "fast"
    table: StaticTable | None = None
    scorer: Scorer | None = None


FAST = Rung()


def score_units(question: Question, units: Units, rung: Rung = FAST) -> Score:
    """Score units on a rung of the ladder.

    Raises:
        ValueError: a scorer of your own gave something else than one finite number for each unit.
    """
    if rung.scorer is not None:
        return _own_score(rung.scorer, question, units)
    language = language_of(words_of(question.text), chain.from_iterable(map(words_of, units.texts)))
    query = query_terms(question.text, question.trajectory, language)
    windows = AGENT_WINDOWS if question.trajectory else WINDOWS
    score = lexical_score(query, units, language, windows)
    if rung.table is not None:
        score = static_score(score, question.text, units, rung.table)
    return score


def _own_score(scorer: Scorer, question: Question, units: Units) -> Score:
    values = np.asarray(scorer(question.text, units.texts, units.groups), np.float32)
    if values.shape != (len(units.texts),) or not np.isfinite(values).all():
        raise ValueError(
            f"the scorer {getattr(scorer, '__name__', scorer)!r} must give one finite number for "
            f"each of {len(units.texts)} units; it gave an array of shape {values.shape}"
        )
    return Score.nothing(len(units.texts)).plus("scorer", values)
