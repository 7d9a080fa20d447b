"""Whether our model of prompt caches predicts what a provider reports, and knows its own error.

    python benchmarks/cache_model.py [--times N] [--seeds N]

Random conversations against the simulated provider, in this process: it hashes what it is sent
token by token, our model only knows digests. Conversations run at the same time, share
system texts and tools, branch off at any earlier answer, and carry tool calls and texts in parts;
Anthropic's are marked on tools, system text, parts or the whole body, for five minutes or an hour.
Each goes through a client's own account, with a policy that changes nothing or one that compresses.

``tangled`` conversations part inside messages: system texts and lists of tools begin alike, users
write the end of an earlier message anew, and names, images, schemas of answers and OpenAI's longer
retention come and go.

``exact``: every prediction is to equal the report. ``worn``: the provider keeps things for another
time at each request, longer than it promises, or drops everything of a caller. Half of the
conversations give the mean error with its interval, as a ledger reports it; that of the other half
is to lie inside, but for its own chance.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from data import save
from tokenthrift.catalog import load_catalog
from tokenthrift.client import Account, Outside
from tokenthrift.client.billing import usage_of
from tokenthrift.client.options import CallOptions
from tokenthrift.ledger import MemoryLedger, cache_checks
from tokenthrift.route import Attempt, Outcome
from tokenthrift.serve.simulated_cache import PrefixCache
from tokenthrift.serve.simulated_desk import DIALECTS, Arrival, Desk

CONVERSATIONS = 1_000
SEED = 7
START_S = 1_780_000_000.0
WORDS = (
    "the",
    "of",
    "order",
    "total",
    "row",
    "file",
    "test",
    "fails",
    "value",
    "name",
    "path",
    "error",
    "user",
)
SHARED = 12  # system texts that conversations share
MODELS = {"openai-chat": "gpt-4o-mini", "anthropic-messages": "claude-sonnet-4-5"}
SEEDS = 3
BRANCHES = 0.1  # chance that a turn goes back to an earlier answer
REWRITES = 0.25  # chance that a tangled turn writes the end of an earlier message anew
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SHAPES = (
    {"type": "text"},
    {
        "type": "json_schema",
        "json_schema": {"name": "row", "schema": {"type": "object", "properties": {}}},
    },
)
PAUSES_S = (2.0, 90.0)
WORN_PAUSES_S = (2.0, 420.0)
WORN_TTL_S = (300.0, 600.0)  # OpenAI: "5 to 10 minutes of inactivity"
EVICTED = 0.05  # chance that a provider has dropped what a request could have read


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) + str(rng.randrange(100)) for _ in range(words))


@dataclass
class Talk:
    """A conversation that grows, in the dialect of one provider."""

    wire: str
    rng: random.Random
    system: str
    tools: list[dict[str, Any]]
    marks: str
    kept: dict[str, Any]
    tangled: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)

    def ask(self) -> None:
        """The next turn of the user, or results of tools; sometimes from an earlier answer on."""
        if self.messages and self.rng.random() < BRANCHES:
            ends = [n + 1 for n, m in enumerate(self.messages) if m["role"] == "assistant"]
            del self.messages[self.rng.choice(ends) :]
        if self.tangled and self._rewritten():
            return
        calls = self._open_calls()
        if calls:
            self.messages += self._results(calls)
            return
        words = self.rng.choice((10, 60, 400))
        if self.rng.random() < 0.3:
            parts = [{"type": "text", "text": text(self.rng, words)} for _ in range(2)]
            self.messages.append({"role": "user", "content": parts})
        else:
            self.messages.append({"role": "user", "content": text(self.rng, words)})
        if self.tangled and self.wire == "openai-chat":
            self._decorate(self.messages[-1])

    def _decorate(self, message: dict[str, Any]) -> None:
        """A name, or an image beside the text."""
        if self.rng.random() < 0.2:
            message["name"] = self.rng.choice(("ada", "bob"))
        if self.rng.random() < 0.1 and isinstance(message["content"], list):
            image = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
            message["content"].insert(self.rng.randrange(2), image)

    def _rewritten(self) -> bool:
        """An earlier text of the user ends differently, and what followed it is gone."""
        places = [
            n
            for n, m in enumerate(self.messages)
            if m["role"] == "user" and isinstance(m["content"], str)
        ]
        if not places or self.rng.random() > REWRITES:
            return False
        place = self.rng.choice(places)
        old = self.messages[place]
        words = old["content"].split(" ")
        begun = words[: self.rng.randrange(len(words) + 1)]
        anew = text(self.rng, self.rng.randrange(1, 200))
        del self.messages[place:]
        self.messages.append({**old, "content": " ".join([*begun, anew])})
        return True

    def answered(self) -> None:
        """What the model said, as the caller sends it back."""
        said = text(self.rng, self.rng.choice((5, 80)))
        if not self.tools or self.rng.random() < 0.5:
            self.messages.append({"role": "assistant", "content": said})
            return
        key, wanted = f"c{len(self.messages)}", {"at": self.rng.randrange(1_000)}
        if self.wire == "openai-chat":
            function = {"name": "look", "arguments": json.dumps(wanted)}
            call = {"id": key, "type": "function", "function": function}
            made = {"role": "assistant", "content": said, "tool_calls": [call]}
        else:
            use = {"type": "tool_use", "id": key, "name": "look", "input": wanted}
            made = {"role": "assistant", "content": [{"type": "text", "text": said}, use]}
        self.messages.append(made)

    def body(self) -> dict[str, Any]:
        """The request, marked as this caller marks."""
        if self.wire == "openai-chat":
            system = {"role": "system", "content": self.system}
            made = {"model": MODELS[self.wire], "messages": [system, *self.messages]}
            if self.tangled and self.rng.random() < 0.1:
                made["response_format"] = self.rng.choice(SHAPES)
            if self.tangled and self.rng.random() < 0.1:
                made["prompt_cache_retention"] = "24h"
            return {**made, "tools": self.tools} if self.tools else made
        return self._marked()

    def _marked(self) -> dict[str, Any]:
        system = [{"type": "text", "text": self.system}]
        tools, messages = [dict(t) for t in self.tools], list(self.messages)
        if "system" in self.marks:
            system[-1] = {**system[-1], **self.kept}
        if "tools" in self.marks and tools:
            tools[-1] = {**tools[-1], **self.kept}
        if "last" in self.marks:
            messages[-1] = self._marked_part(messages[-1], -1)
        if "first" in self.marks:
            messages[0] = self._marked_part(messages[0], 0)
        made = {
            "model": MODELS[self.wire],
            "max_tokens": 64,
            "system": system,
            "messages": messages,
            **(self.kept if self.marks == "body" else {}),
        }
        return {**made, "tools": tools} if tools else made

    def _marked_part(self, message: dict[str, Any], place: int) -> dict[str, Any]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        parts[place] = {**parts[place], **self.kept}
        return {**message, "content": parts}

    def _open_calls(self) -> list[str]:
        if not self.messages or self.messages[-1]["role"] != "assistant":
            return []
        last = self.messages[-1]
        if self.wire == "openai-chat":
            return [c["id"] for c in last.get("tool_calls", ())]
        content = last["content"]
        parts = [] if isinstance(content, str) else content
        return [p["id"] for p in parts if p["type"] == "tool_use"]

    def _results(self, calls: list[str]) -> Iterator[dict[str, Any]]:
        rows = [{"id": n, "state": text(self.rng, 2)} for n in range(self.rng.choice((2, 60)))]
        for key in calls:
            if self.wire == "openai-chat":
                yield {"role": "tool", "tool_call_id": key, "content": json.dumps(rows)}
            else:
                result = {"type": "tool_result", "tool_use_id": key, "content": json.dumps(rows)}
                yield {"role": "user", "content": [result]}


def talks(wire: str, number: int, rng: random.Random, *, tangled: bool = False) -> list[Talk]:
    """Conversations of one caller."""
    shared = [text(rng, rng.choice((20, 500, 900))) for _ in range(SHARED)]
    if tangled:
        whole = shared[0].split(" ") + text(rng, 500).split(" ")
        shared += [
            " ".join([*whole[: rng.randrange(len(whole))], text(rng, 40)]) for _ in range(SHARED)
        ]
    schema = {"type": "object", "properties": {"at": {"type": "integer"}}}
    made = []
    for _ in range(number):
        words = rng.choice((0, 300))
        about = f"Looks at {text(rng, words)}" if words else "Looks."
        tools: list[dict[str, Any]] = []
        if rng.random() < 0.5 and wire == "openai-chat":
            function = {"name": "look", "description": about, "parameters": schema}
            tools = [{"type": "function", "function": function}]
        elif rng.random() < 0.5:
            tools = [{"name": "look", "description": about, "input_schema": schema}]
        tools = tools if wire != "openai-chat" or not tools or "function" in tools[0] else []
        kept: dict[str, Any] = {"type": "ephemeral"}
        if rng.random() < 0.2:
            kept["ttl"] = "1h"
        marks = rng.choice(("last", "system last", "tools system last", "first last", "body", ""))
        own = random.Random(rng.randrange(2**32))
        system = rng.choice(shared)
        if tangled and tools and rng.random() < 0.5:
            tools = [*alike(tools[0], whole, rng), *tools]
        talk = Talk(wire, own, system, tools, marks, {"cache_control": kept}, tangled=tangled)
        made.append(talk)
    return made


def alike(tool: dict[str, Any], whole: list[str], rng: random.Random) -> list[dict[str, Any]]:
    """Tools before another one, whose descriptions begin like those of others."""
    made = []
    for n in range(rng.randrange(1, 3)):
        about = " ".join(whole[: rng.randrange(len(whole))])
        named = {"name": f"look{n}", "description": about}
        function = tool.get("function")
        made.append({**tool, "function": {**function, **named}} if function else {**tool, **named})
    return made


class Provider:
    """The simulated provider of one dialect, asked without sockets; forgets as it is told."""

    def __init__(self, wire: str, clock: Callable[[], float], worn: random.Random | None) -> None:
        self.dialect = next(d for d in DIALECTS if d.wire == wire and not d.only_counts)
        card = load_catalog().get(MODELS[wire])
        if card is None or card.cache is None:
            raise SystemExit(f"no cache rule for {MODELS[wire]}")
        cache = PrefixCache(card.cache.block_tokens, card.cache.min_tokens)
        if wire == "anthropic-messages":
            cache = PrefixCache(min_tokens=card.cache.min_tokens)
        self.desk = Desk(clock, cache=cache)
        self.clock = clock
        self.worn = worn

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The response to a body."""
        if self.worn is not None:
            self._forget(self.worn)
        raw = json.dumps(body).encode()
        headers = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}
        arrival = self.desk.arrive(self.dialect, headers, raw)
        if not isinstance(arrival, Arrival):
            raise SystemExit(f"refused: {arrival.pieces!r}")
        found: dict[str, Any] = json.loads(b"".join(self.desk.answer(arrival).pieces))
        return found

    def _forget(self, rng: random.Random) -> None:
        """What is older than this request's own idle time, and sometimes what there is."""
        extra_s = rng.uniform(*WORN_TTL_S) - WORN_TTL_S[0]
        for known in self.desk.cache._expiry.values():  # noqa: SLF001 - it has no other way to wear
            if rng.random() < EVICTED:
                known.clear()
            # Entries live for the least time; what the provider keeps longer is moved on.
            for digest, until_s in list(known.items()):
                if self.clock() - extra_s < until_s <= self.clock():
                    known[digest] = self.clock() + 1.0


def run(
    wire: str, policy: str, number: int, *, worn: bool, tangled: bool = False, seed: int = SEED
) -> dict[str, Any]:
    """Requests of so many conversations, what was predicted of them and what was reported."""
    rng = random.Random(f"{seed}|{wire}|{policy}|{worn}" + ("|tangled" if tangled else ""))
    now = [START_S]
    ids = count()
    outside = Outside(
        now=lambda: datetime.fromtimestamp(now[0], UTC), new_id=lambda: f"r{next(ids)}"
    )
    ledgers = MemoryLedger(), MemoryLedger()
    account = Account(policy, ledgers[0], outside=outside)
    provider = Provider(wire, lambda: now[0], rng if worn else None)
    made = talks(wire, number, rng, tangled=tangled)
    waiting = [(talk, n, rng.randrange(2, 9)) for n, talk in enumerate(made)]
    running = [waiting.pop() for _ in range(min(8, len(waiting)))]
    wrong = equal = cached = 0
    while running:
        place = rng.randrange(len(running))
        talk, n, left = running[place]
        now[0] += rng.uniform(*(WORN_PAUSES_S if worn else PAUSES_S)) / (4 if worn else 8)
        talk.ask()
        call = account.begin(talk.body(), wire=wire, options=CallOptions(session=f"s{n}"))
        assert call.plan is not None
        sent = dict(call.body_for(call.plan.model, add_usage=False))
        usage = usage_of(wire, provider.answer(sent)["usage"], "", call.plan.model)
        outcome = Outcome(
            Attempt(call.plan.model, 1, ""), response=object(), usage=usage, latency_ms=1.0
        )
        record = account.settle(call, [outcome])
        (attempt,) = record.attempts
        same = attempt.predicted_cache_read_tokens in (None, attempt.cache_read_tokens)
        if attempt.predicted_cache_read_tokens is None:
            same = attempt.cache_read_tokens == 0  # nothing was marked
        equal, wrong = equal + same, wrong + (not same)
        cached += attempt.cache_read_tokens > 0
        if n % 2:
            ledgers[1].write(record)
        talk.answered()
        running[place] = (talk, n, left - 1)
        if left == 1:
            running[place] = waiting.pop() if waiting else running[-1]
            if not waiting and running[place] is running[-1]:
                running.pop()
    row: dict[str, Any] = {
        "wire": wire,
        "policy": policy,
        "kind": "tangled" if tangled else "plain",
        "seed": seed,
        "conversations": number,
        "requests": equal + wrong,
        "with_cached_input": cached,
        "predicted_exactly": equal,
    }
    if worn:
        row |= halves(ledgers)
    print(row, flush=True)
    return row


def halves(ledgers: tuple[MemoryLedger, MemoryLedger]) -> dict[str, Any]:
    """The error as one half reports it, and as the other half shows it."""
    odd = {r.record_id for r in ledgers[1].records()}
    even = MemoryLedger()
    for record in ledgers[0].records():
        if record.record_id not in odd:
            even.write(record)
    (told,), (shown,) = (list(cache_checks(x, 10**9).values()) for x in (even, ledgers[1]))
    assert told.error_tokens is not None
    assert shown.error_tokens is not None
    one, other = told.error_tokens, shown.error_tokens
    reach = (
        max(one.value - one.low, one.high - one.value) ** 2
        + max(other.value - other.low, other.high - other.value) ** 2
    ) ** 0.5
    return {
        "error_tokens": one.value,
        "low": one.low,
        "high": one.high,
        "other_half": other.value,
        "inside": abs(one.value - other.value) <= reach,
        "mean_input_tokens": told.input_tokens / told.requests,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=CONVERSATIONS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args()
    number, seeds = chosen.times, range(SEED, SEED + chosen.seeds)
    sizes = {"off": number, "balanced": number // 4}
    exact = [
        run(w, p, size, worn=False, tangled=tangled, seed=seed)
        for w in MODELS
        for p, size in sizes.items()
        for tangled in (False, True)
        for seed in seeds
    ]
    worn = [
        run(w, "off", number // 2, worn=True, tangled=tangled, seed=seed)
        for w in MODELS
        for tangled in (False, True)
        for seed in seeds
    ]
    save("cache_model", {"exact": exact, "worn": worn}, seed=SEED)


if __name__ == "__main__":
    main()
