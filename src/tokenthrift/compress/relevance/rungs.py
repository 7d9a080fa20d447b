"""The ladder of scorers behind one interface: `fast`, `static`, `encoder`, or one of your own.

A policy names the rung. Every rung starts from the words of `fast`; what a higher one adds is kept
apart, so that a score can be explained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from tokenthrift.compress.relevance.cascade import cascade
from tokenthrift.compress.relevance.languages import SAMPLE_WORDS, language_of
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
from tokenthrift.draft import Resources
from tokenthrift.tokens import token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.relevance.material import FloatArray
    from tokenthrift.types import Encoder, Reranker, Scorer

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


PLAIN: Final = Resources()
READ_AT_ONCE: Final = 32  # texts
MODEL: Final = "model"  # name of the part that an encoder or a reranker adds


def score(
    question: str,
    units: Sequence[str],
    groups: Sequence[int],
    rung: RungName = "fast",
    resources: Resources = PLAIN,
) -> FloatArray:
    """(n,) float32: how much each unit has to do with the question, 0 or more.

    Deterministic and pure. With its last argument bound it is a `Scorer`, as your own may be.

    Args:
        question: what is asked.
        units: texts, in order.
        groups: a number per unit, not falling: one document, file, turn or record each.
        rung: of the ladder.
        resources: what the rung needs: a table, an encoder or a reranker.

    Raises:
        ValueError: groups do not fit the units, or the rung lacks what it needs.
    """
    return score_units(Question(question), _units(units, groups), rung, resources).values


def explain(
    question: str,
    units: Sequence[str],
    groups: Sequence[int],
    rung: RungName = "fast",
    resources: Resources = PLAIN,
) -> list[Reason]:
    """The reasons of the same scores: matched terms, and the parts that they are the sum of."""
    return reasons_of(score_units(Question(question), _units(units, groups), rung, resources))


def _units(texts: Sequence[str], groups: Sequence[int]) -> Units:
    ends = list(accumulate(map(len, texts)))
    sizes = token_ids(ENCODING).counts("".join(texts), ends).tolist() if texts else []
    return Units(texts, sizes, groups)


def score_units(
    question: Question, units: Units, rung: RungName = "fast", resources: Resources = PLAIN
) -> Score:
    """Score units on a rung of the ladder.

    Raises:
        ValueError: a scorer of your own gave something else than one finite number for each unit.
    """
    if resources.scorer is not None:
        return _own_score(resources.scorer, question, units)
    words = words_of(question.text)
    language = language_of(words, _beginning(units.texts))
    asked = asked_terms(words, question.trajectory, language)
    query = {term: weight for term, (weight, _) in asked.items()}
    windows = AGENT_WINDOWS if question.trajectory else WINDOWS
    score = lexical_score(query, units, language, windows)
    score = replace(score, asked={term: word for term, (_, word) in asked.items()})
    check(rung, resources)
    if rung == "static" and resources.table is not None:
        return static_score(score, question.text, units, resources.table)
    model = resources.reranker if resources.encoder is None else resources.encoder
    # What a step of an agent needs next is seldom what is close to the task in meaning.
    if rung == "encoder" and model is not None and not question.trajectory:
        return _read(score, question, units, model, resources)
    return score


def _beginning(texts: Sequence[str]) -> list[str]:
    """The first words of texts, as many as tell their language."""
    words: list[str] = []
    for at in range(0, len(texts), READ_AT_ONCE):
        some = texts[at : at + READ_AT_ONCE]
        joined = "\n".join(some)
        words += words_of(joined) if joined.isascii() else chain.from_iterable(map(words_of, some))
        if len(words) >= SAMPLE_WORDS:
            break
    return words


def check(rung: RungName, resources: Resources) -> None:
    """Say what a rung lacks.

    Raises:
        ValueError: it needs a table or a model that is not there.
    """
    if rung == "static" and resources.table is None:
        raise ValueError("relevance: static needs a table of vectors in the plan's resources")
    if rung == "encoder" and resources.encoder is None and resources.reranker is None:
        raise ValueError("relevance: encoder needs the policy to name an encoder")


def _read(
    score: Score,
    question: Question,
    units: Units,
    model: Encoder | Reranker,
    resources: Resources,
) -> Score:
    """The score with what a model says of the best blocks."""
    use, clock = resources.use, resources.clock
    ranked = cascade(question.text, units, score.values, model, use, clock)
    if ranked.fell_back:
        why = ranked.error or ("too slow" if ranked.encoded else "nothing to read")
        return replace(score, note=f"encoder: left to the words ({why})")
    read = score.in_spreads().plus(MODEL, ranked.bonus)
    return replace(read, note=f"encoder: {ranked.encoded} blocks read")


def _own_score(scorer: Scorer, question: Question, units: Units) -> Score:
    values = np.asarray(scorer(question.text, units.texts, units.groups), np.float32)
    if values.shape != (len(units.texts),) or not np.isfinite(values).all():
        raise ValueError(
            f"the scorer {getattr(scorer, '__name__', scorer)!r} must give one finite number for "
            f"each of {len(units.texts)} units; it gave an array of shape {values.shape}"
        )
    return Score.nothing(len(units.texts)).plus("scorer", values)
