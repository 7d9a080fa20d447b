"""The ladder of scorers behind one interface: `fast`, `static`, `encoder`, or one of your own.

A policy names the rung. Every rung starts from the words of `fast`; what a higher one adds is kept
apart, so that a score can be explained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from tokenthrift.compress.relevance.languages import language_of
from tokenthrift.compress.relevance.lexical import (
    AGENT_WINDOWS,
    WINDOWS,
    Score,
    asked_terms,
    lexical_score,
)
from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.reasons import Reason, reasons_of
from tokenthrift.compress.relevance.vectors import ENCODING, static_score
from tokenthrift.compress.relevance.words import words_of
from tokenthrift.tokens import token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.relevance.material import FloatArray
    from tokenthrift.types import Scorer, TokenTable

RungName: TypeAlias = Literal["fast", "static", "encoder"]


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
    table: TokenTable | None = None
    scorer: Scorer | None = None


FAST = Rung()


def score(
    question: str, units: Sequence[str], groups: Sequence[int], rung: Rung = FAST
) -> FloatArray:
    """(n,) float32: how much each unit has to do with the question, 0 or more.

    Deterministic and pure. With its last argument bound it is a `Scorer`, as your own may be.

    Args:
        question: what is asked.
        units: texts, in order.
        groups: a number per unit, not falling: one document, file, turn or record each.
        rung: of the ladder.

    Raises:
        ValueError: groups do not fit the units, or the rung lacks what it needs.
    """
    return score_units(Question(question), _units(units, groups), rung).values


def explain(
    question: str, units: Sequence[str], groups: Sequence[int], rung: Rung = FAST
) -> list[Reason]:
    """The reasons of the same scores: matched terms, and the parts that they are the sum of."""
    return reasons_of(score_units(Question(question), _units(units, groups), rung))


def _units(texts: Sequence[str], groups: Sequence[int]) -> Units:
    ends = list(accumulate(map(len, texts)))
    sizes = token_ids(ENCODING).counts("".join(texts), ends).tolist() if texts else []
    return Units(texts, sizes, groups)


def score_units(question: Question, units: Units, rung: Rung = FAST) -> Score:
    """Score units on a rung of the ladder.

    Raises:
        ValueError: a scorer of your own gave something else than one finite number for each unit.
    """
    if rung.scorer is not None:
        return _own_score(rung.scorer, question, units)
    language = language_of(words_of(question.text), chain.from_iterable(map(words_of, units.texts)))
    asked = asked_terms(question.text, question.trajectory, language)
    query = {term: weight for term, (weight, _) in asked.items()}
    windows = AGENT_WINDOWS if question.trajectory else WINDOWS
    score = lexical_score(query, units, language, windows)
    score = replace(score, asked={term: word for term, (_, word) in asked.items()})
    if rung.name == "static":
        if rung.table is None:
            raise ValueError("relevance: static needs its table; is it loaded?")
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
