"""Requests of many shapes and any size, made by rule: the same on every machine, never repeating.

Words follow Zipf's law, so a longer text has more of them; names, ids and numbers do not recur more
than in real texts. What is measured on them is time, not what a choice is worth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data import SEED
from tokenthrift.tokens import counter_for, encoding

MODEL: Final = "gpt-4o"
# Zipf and Mandelbrot's law of words by rank, with constants as they are of English.
ZIPF: Final = 1.05
RANK_SHIFT: Final = 2.7
ENCODING: Final = "o200k_base"
TOKENS_READ: Final = 100_000
DOCUMENT_TOKENS: Final = 2_000  # of one document of a mixed request
RESULT_TOKENS: Final = (100, 400, 1_600)  # of the results of an agent's calls, in turn
QUESTION: Final = "Which worker failed with a timeout, and where is the price of an order checked?"

_WORD: Final = re.compile(rb" [a-z]{3,}")

Body = dict[str, Any]
FloatArray = npt.NDArray[np.float64]


@cache
def vocabulary() -> tuple[list[str], FloatArray]:
    """Words that are one token, and running sums of how frequent each is."""
    found = encoding(ENCODING)
    texts = (found.decode_single_token_bytes(n) for n in range(TOKENS_READ))
    words = [t[1:].decode() for t in texts if _WORD.fullmatch(t)]
    shares = 1 / (np.arange(len(words)) + RANK_SHIFT) ** ZIPF
    return words, np.cumsum(shares / shares.sum())


class Words:
    """Words, names and numbers in an endless row."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._ready: list[int] = []

    def number(self, below: int) -> int:
        """A number from 0 on."""
        return int(self._rng.integers(below))

    def word(self) -> str:
        """A word; few of them are frequent."""
        words, sums = vocabulary()
        if not self._ready:
            self._ready = np.searchsorted(sums, self._rng.random(4_096)).tolist()
        return words[self._ready.pop()]

    def words(self, count: int) -> str:
        """So many words."""
        return " ".join(self.word() for _ in range(count))


# ------------------------------------------------------------------------------------------ lines
def prose(made: Words) -> Iterator[str]:
    """Paragraphs of a few sentences."""
    while True:
        sentences = [made.words(6 + made.number(14)).capitalize() + "." for _ in range(4)]
        yield " ".join(sentences) + "\n"


def log(made: Words) -> Iterator[str]:
    """A service's log of forty templates, with rare errors."""
    templates = [made.words(5) for _ in range(40)]
    n = 0
    while True:
        n += 1
        said = templates[made.number(40)]
        level = "ERROR" if made.number(200) == 0 else "INFO"
        at = f"2026-01-01T{n // 3_600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
        yield f"{at} {level} worker={made.number(16)} {said} id={made.number(10**9)} ms={n % 997}\n"


def code(made: Words) -> Iterator[str]:
    """A module of functions."""
    while True:
        name, value = made.word(), made.word()
        yield f"def {name}_{made.word()}({value}: int) -> int:\n"
        yield f'    """{made.words(8).capitalize()}."""\n'
        for _ in range(2 + made.number(8)):
            yield f"    {made.word()} = self.{made.word()}[{value} + {made.number(100)}]\n"
        yield f"    return {value}\n\n\n"


def page(made: Words) -> Iterator[str]:
    """The body of a web page: headings, paragraphs with links, lists."""
    while True:
        yield f"<h2 class='{made.word()}'>{made.words(4)}</h2>\n"
        for _ in range(3):
            link = f"<a href='/{made.word()}/{made.number(10**6)}'>{made.words(2)}</a>"
            yield f"<p>{made.words(30)}. {link} {made.words(20)}.</p>\n"
        yield "<ul>" + "".join(f"<li>{made.words(3)}</li>" for _ in range(4)) + "</ul>\n"


def records(made: Words) -> Iterator[str]:
    """The elements of an array of orders."""
    n = 0
    while True:
        n += 1
        order = {
            "id": f"ord-{made.number(10**8):08d}",
            "customer": {"name": made.words(2), "city": made.word()},
            "items": [{"sku": made.number(10**6), "count": made.number(9)} for _ in range(2)],
            "note": made.words(made.number(12)),
            "state": "failed" if made.number(300) == 0 else "paid",
        }
        yield json.dumps(order, indent=2) + ",\n"


def _taken(lines: Iterator[str], tokens: int) -> str:
    count = counter_for(MODEL)
    out: list[str] = []
    while tokens > 0:
        out.append(next(lines))
        tokens -= count(out[-1])
    return "".join(out)


def _array(lines: Iterator[str], tokens: int) -> str:
    return "[\n" + _taken(lines, tokens).rstrip(",\n") + "\n]\n"


def _whole_page(lines: Iterator[str], tokens: int) -> str:
    head = "<!doctype html><html><head><title>Orders</title></head><body>\n"
    return head + _taken(lines, tokens) + "</body></html>\n"


def _one_line(lines: Iterator[str], tokens: int) -> str:
    return _taken(lines, tokens).replace("\n", " ")


TEXTS: Final[dict[str, tuple[Callable[[Words], Iterator[str]], Callable[..., str]]]] = {
    "one line": (prose, _one_line),
    "log": (log, _taken),
    "code": (code, _taken),
    "json": (records, _array),
    "web page": (page, _whole_page),
}


def text(kind: str, tokens: int, seed: int = SEED) -> str:
    """A text of a kind and a size."""
    lines, put_together = TEXTS[kind]
    return put_together(lines(Words(seed)), tokens)


# ----------------------------------------------------------------------------------------- bodies
def _body(messages: list[dict[str, Any]]) -> Body:
    system = {"role": "system", "content": "You are a careful engineer."}
    return {"model": MODEL, "messages": [system, *messages]}


def one_result(kind: str, tokens: int) -> Body:
    """A question, one call of a tool, and one result that holds everything."""
    return _body([{"role": "user", "content": QUESTION}, *_step(0, text(kind, tokens))])


def _step(number: int, result: str) -> list[dict[str, Any]]:
    name = f"c{number}"
    call = {"id": name, "type": "function", "function": {"name": "read", "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": name, "content": result},
    ]


def mixed(tokens: int) -> Body:
    """One user message of documents of all kinds, and the question behind them."""
    kinds = list(TEXTS)
    size = min(DOCUMENT_TOKENS, tokens // 4)
    parts = [text(kinds[n % len(kinds)], size, n) for n in range(max(1, tokens // size))]
    content = [{"type": "text", "text": part} for part in [*parts, QUESTION]]
    return _body([{"role": "user", "content": content}])


def agent(tokens: int) -> Body:
    """A question and the steps of an agent: calls, results of several kinds and sizes."""
    kinds = list(TEXTS)
    messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    number = 0
    while tokens > 0:
        size = min(tokens, RESULT_TOKENS[number % len(RESULT_TOKENS)])
        messages += _step(number, text(kinds[number % len(kinds)], size, number))
        tokens -= size
        number += 1
    return _body(messages)


def chat(tokens: int) -> Body:
    """Two people who write short messages."""
    made, count = Words(SEED), counter_for(MODEL)
    messages = [{"role": "user", "content": QUESTION}]
    while tokens > 0 or messages[-1]["role"] != "user":
        said = made.words(4 + made.number(20)).capitalize() + "."
        messages.append({"role": ("user", "assistant")[len(messages) % 2], "content": said})
        tokens -= count(said)
    return _body(messages)


def before_last_step(body: Body) -> Body:
    """What was sent before the model's last message."""
    messages = body["messages"]
    last = max(n for n, m in enumerate(messages) if m["role"] == "assistant")
    return {**body, "messages": messages[:last]}
