"""What routing per request costs on growing conversations, against staying on one model.

    python benchmarks/routing_money.py [--limit N]

Recorded agent conversations, three price cards of one seller, and the ledger's model of prompt
caches. Answers are the recorded ones whoever is asked, so this is about money at *predicted*
adequacy and says nothing of the quality of answers. Predictions are made two ways: from the
measured complexity, which changes slowly, and by lot for each message of the user, the worst there
can be; in a tool loop the lot of the message that began it holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from math import exp
from typing import Any

from data import DATA, data_digest, evaluator, interval, need, save
from tokenthrift import wire
from tokenthrift.catalog import Catalog, cost, load_catalog
from tokenthrift.client.billing import held_tokens
from tokenthrift.ledger import Block, CacheBranch, blocks_of
from tokenthrift.route import Action, Decision, Forecast, Kept, Routing, Session, choose, measure
from tokenthrift.tokens import counter_for
from tokenthrift.types import Request

SELLERS = {
    "openai": ("gpt-5-nano", "gpt-5-mini", "gpt-5"),
    "anthropic": ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"),
}
FLOOR = 0.75
PAUSE_S = 20.0  # between two requests; every cache of the cards lives longer
ANSWER_TOKENS = 250  # predicted of each answer, about the mean of the recordings
ABILITIES = (0.6, 1.6, 3.0)  # of an item-response model; difficulty is 8 times the complexity
LUCKY, UNLUCKY = 0.9, 0.4  # P(adequate) of a model that the lot says can, or cannot

Told = Callable[[Request, int], list[float]]
"""P(adequate) of the three models, from the request and its place in the conversation."""


def by_complexity(request: Request, _place: int, _key: str) -> list[float]:
    difficulty = 8 * measure(request).score
    return [1 / (1 + exp(difficulty - ability)) for ability in ABILITIES]


def by_lot(request: Request, _place: int, key: str) -> list[float]:
    asked = max((m.index for m in request.messages if m.role == "user"), default=0)
    drawn = blake2b(f"{key}:{asked}".encode(), digest_size=1).digest()[0] % 3
    return [LUCKY if n >= drawn else UNLUCKY for n in range(3)]


@dataclass
class Bill:
    """What one way through a conversation cost.

    Attributes:
        nanos: of all its requests.
        models: of each request, in order.
        chances: P(adequate) of each.
    """

    nanos: int = 0
    models: list[str] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)

    @property
    def switches(self) -> int:
        """How many requests went to another model than the one before."""
        return sum(a != b for a, b in zip(self.models, self.models[1:], strict=False))

    @property
    def adequate(self) -> float:
        """Mean P(adequate)."""
        return sum(self.chances) / len(self.chances)


class Conversation:
    """The requests of a recorded conversation, their blocks, and the tokens of their answers."""

    def __init__(self, key: str, messages: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
        self.key = key
        self.requests: list[Request] = []
        self.outputs: list[int] = []
        count = counter_for(names[-1])
        # A mark for sellers that cache only what is marked; others do not look at it.
        head = {"model": names[-1], "cache_control": {"type": "ephemeral"}}
        for n, message in enumerate(messages):
            if message["role"] == "assistant" and n:
                self.requests.append(wire.read({**head, "messages": list(messages[:n])}))
                said = wire.read({**head, "messages": [message]}).messages[0]
                self.outputs.append(sum(count(p.text) for p in said.parts if p.text))
        whole = blocks_of(self.requests[-1], count) if self.requests else ()
        self.blocks: list[tuple[Block, ...]] = [whole[: len(r.messages) + 1] for r in self.requests]


def through(
    talk: Conversation,
    catalog: Catalog,
    names: Sequence[str],
    told: Callable[[Request, int, str], list[float]],
    pick: Callable[[Request, int, Session, Any], str],
) -> Bill:
    """One way through a conversation; ``pick`` says the model of each request."""
    branch, bill, kept = CacheBranch(), Bill(), None
    for place, request in enumerate(talk.requests):
        now_s, blocks = place * PAUSE_S, talk.blocks[place]
        chances = dict(zip(names, told(request, place, talk.key), strict=True))

        def cached(_: Request, card: Any, b: Any = blocks, t: float = now_s) -> int:
            return held_tokens(b, card, branch, t)

        def forecast(_: Request, actions: Sequence[Action], p: Any = chances) -> list[Forecast]:
            return [Forecast(p[a.card.name], 0, 1, ANSWER_TOKENS, 0) for a in actions]

        model = pick(request, sum(b.tokens for b in blocks), Session(kept, cached), forecast)
        card = catalog.require(model)
        cache = branch.cache_of(card)
        usage = cache.simulate(blocks, now_s).usage(talk.outputs[place])
        paid = cost(usage, card)
        assert paid is not None
        cache.store(blocks, now_s)
        bill.nanos += paid.nanos
        bill.models.append(model)
        bill.chances.append(chances[model])
        kept = Kept(model)
    return bill


def routed(
    rules: Routing, catalog: Catalog, request: Request, tokens: int, session: Session, told: Any
) -> str:
    made: Decision = choose(request, tokens, rules, catalog, session=session, forecaster=told)
    return made.chosen


def blind(
    rules: Routing, catalog: Catalog, request: Request, tokens: int, _session: Session, told: Any
) -> str:
    """The same choice without any past: list prices, a cold cache, and switches in loops."""
    return choose(request, tokens, rules, catalog, forecaster=told).chosen


def best_pinned(pinned: Sequence[Bill], adequate: float) -> Bill:
    """The cheapest single model whose mean predicted adequacy is as good; else the ablest."""
    good = [b for b in pinned if b.adequate >= adequate - 1e-9]
    return min(good, key=lambda b: b.nanos, default=pinned[-1])


def row(name: str, bills: Sequence[Bill], best: Sequence[Bill]) -> dict[str, Any]:
    ratios = [b.nanos / p.nanos for b, p in zip(bills, best, strict=True)]
    low, high = interval(ratios)
    return {
        "way": name,
        "dollars": sum(b.nanos for b in bills) / 1e9,
        "total_ratio": sum(b.nanos for b in bills) / sum(p.nanos for p in best),
        "ratio": sum(ratios) / len(ratios),
        "low": low,
        "high": high,
        "dearer": sum(b.nanos > p.nanos for b, p in zip(bills, best, strict=True)),
        "worst": max(ratios),
        "switches": sum(b.switches for b in bills),
        "switched": sum(b.switches > 0 for b in bills),
        "adequate": sum(b.adequate for b in bills) / len(bills),
        "best_adequate": sum(p.adequate for p in best) / len(best),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=60, help="conversations of each family")
    args = parser.parse_args()
    folder = need(DATA / "compression")
    sessions = evaluator("cache_bill").load_sessions(str(folder), None, args.limit)
    catalog = load_catalog()
    found: list[dict[str, Any]] = []
    for seller, names in SELLERS.items():
        listed = [{"model": n} for n in names]
        rules = Routing.model_validate({"candidates": listed, "floor": FLOOR})
        for family, kept in sessions.items():
            talks = [Conversation(s.id, s.messages, names) for s in kept]
            talks = [t for t in talks if t.requests]
            for told in (by_complexity, by_lot):
                go = partial(through, catalog=catalog, names=names, told=told)
                pinned = [
                    [go(t, pick=lambda *_, m=model: m) for model in names]  # type: ignore[misc]
                    for t in talks
                ]
                ways = {"routed": routed, "blind": blind}
                for way, function in ways.items():
                    bills = [go(t, pick=partial(function, rules, catalog)) for t in talks]
                    best = [best_pinned(p, b.adequate) for p, b in zip(pinned, bills, strict=True)]
                    found.append({
                        "seller": seller, "family": family, "told": told.__name__,
                        "conversations": len(talks),
                        "requests": sum(len(t.requests) for t in talks), **row(way, bills, best),
                    })  # fmt: skip
                    print(found[-1])
    save("routing_money", {"rows": found}, data=data_digest(folder), limit=args.limit)


if __name__ == "__main__":
    main()
