"""The simulated provider without its sockets: a request's bytes in, a response to deliver out.

Synchronous and deterministic given its clock and seed; one desk serves all dialects. It never
waits: what is to be slow or cut is said in the `Delivery`, and done by whoever sends it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import WireError
from tokenthrift.serve.simulated_accounts import Accounts, Exchange
from tokenthrift.serve.simulated_answers import Script, compose, limited, output_tokens
from tokenthrift.serve.simulated_cache import PrefixCache
from tokenthrift.serve.simulated_chat import ChatCompletions
from tokenthrift.serve.simulated_faults import (
    Fault,
    FaultBook,
    reported,
    spoiled,
    status_error,
)
from tokenthrift.serve.simulated_messages import MessageCounts, Messages
from tokenthrift.serve.simulated_responses import Responses
from tokenthrift.serve.simulated_types import (
    Answer,
    Answers,
    ApiError,
    Ask,
    Held,
    Reply,
)
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage
from tokenthrift.wire import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenthrift.serve.simulated_dialect import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = (
    ChatCompletions(),
    Responses(),
    Messages(),
    MessageCounts(),
)

# Names that /v1/models lists when any model name is served.
LISTED_MODELS: Final = ("gpt-4o-mini", "gpt-4o", "gpt-4.1-mini", "gpt-4.1")
OWNER: Final = "tokenthrift-simulated"
PIECES: Final = 8  # parts that a response without events is sent in when it is to be slow or cut


@dataclass(frozen=True, slots=True)
class Delivery:
    """A response and how it is to be sent.

    Attributes:
        pieces: the body, in the pieces it is written in.
        events: whether the pieces are server-sent events (sent without a length).
        pause_s: wait before each piece but the first.
        cut_after: close the connection after so many pieces.
    """

    status: int
    pieces: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...] = ()
    events: bool = False
    pause_s: float = 0.0
    cut_after: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that was accepted and waits to be answered.

    Attributes:
        hold_s: how long it is to wait first.
    """

    dialect: Dialect
    key: str
    exchange: Exchange
    ask: Ask
    script: Script
    fault: Fault | None

    @property
    def hold_s(self) -> float:
        """Seconds a ``timeout`` fault holds it."""
        held = self.fault is not None and self.fault.name == "timeout"
        return (self.fault.param or 0.0) if held and self.fault else 0.0


@dataclass(slots=True)
class Desk:
    """Everything the simulated provider knows and decides.

    Attributes:
        clock: seconds since the epoch; drives the cache's lifetime and ``created``.
        answers: a script in Python, or None.
        models: context windows in tokens by model name; None serves any name without a window.
    """

    clock: Callable[[], float]
    answers: Answers | None = None
    models: Mapping[str, int] | None = None
    faults: FaultBook = field(default_factory=FaultBook)
    cache: PrefixCache = field(default_factory=PrefixCache)
    accounts: Accounts = field(default_factory=Accounts)
    held: dict[str, Held] = field(default_factory=dict)

    def arrive(
        self, dialect: Dialect, headers: Mapping[str, str], raw: bytes
    ) -> Arrival | Delivery:
        """Log a request, check it, and see which fault strikes it; errors are final deliveries."""
        key = dialect.key(headers) or ""
        exchange = self.accounts.arrive(key, dialect.path, headers, raw)
        if not key:
            message = "You didn't provide an API key. Any non-empty key will do here."
            error = ApiError(401, message, code="invalid_api_key")
            return self._failed(dialect, key, exchange.number, error)
        try:
            body = _parsed(raw)
            self.accounts.settle(key, exchange.number, body=body, model=str(body.get("model")))
            script = Script.read(headers, body.get("metadata"))
            ask = self._ask(dialect, key, body)
            fault = self.faults.pick(key, exchange.number, script.fault)
            self.accounts.settle(key, exchange.number, fault=str(fault or ""))
        except ApiError as exc:
            return self._failed(dialect, key, exchange.number, exc)
        refusal = status_error(fault) if fault else None
        if refusal is not None:
            return self._failed(dialect, key, exchange.number, refusal)
        return Arrival(dialect, key, exchange, ask, script, fault)

    def answer(self, arrival: Arrival) -> Delivery:
        """Answer an accepted request, charge it, and write it into the cache."""
        dialect, ask, key, fault = arrival.dialect, arrival.ask, arrival.key, arrival.fault
        number = arrival.exchange.number
        if dialect.only_counts:
            return self._counted(arrival)
        try:
            made = compose(ask, arrival.script, self.answers)
            finished = tuple(limited(spoiled(a, fault), ask) for a in made)
            usage = self._usage(arrival, finished)
        except ApiError as exc:
            return self._failed(dialect, key, number, exc)
        told = reported(usage, fault)
        seed = f"{key}|{number}|".encode("utf-8", "surrogatepass") + arrival.exchange.raw
        reply = Reply(
            id=f"{dialect.id_prefix}sim{blake2b(seed, digest_size=12).hexdigest()}",
            created=int(self.clock()),
            model=ask.request.model,
            answers=finished,
            usage=told,
        )
        if ask.stream:
            pieces = tuple(dialect.events(reply, ask))
        else:
            pieces = (json.dumps(dialect.body(reply, ask)).encode(),)
        dialect.keep(reply, ask, self.held_for(key))
        told = told if ask.stream_usage or not ask.stream else None
        self.accounts.settle(
            key, number, status=200, usage=usage, reported=told, response=b"".join(pieces)
        )
        header = (dialect.request_header, f"req_sim{number}")
        return _delivery(pieces, fault, events=ask.stream, header=header)

    def _counted(self, arrival: Arrival) -> Delivery:
        """The size of a prompt, which costs nothing."""
        ask, number = arrival.ask, arrival.exchange.number
        raw = json.dumps({"input_tokens": count_request(ask.request, ask.count)}).encode()
        self.accounts.settle(arrival.key, number, status=200, response=raw)
        header = (arrival.dialect.request_header, f"req_sim{number}")
        return _delivery((raw,), arrival.fault, events=False, header=header)

    def held_for(self, key: str) -> Held:
        """What is kept of an API key's conversations."""
        return self.held.setdefault(key, Held())

    def forget(self, key: str) -> None:
        """Start afresh with an API key: its log, totals, cache and faults."""
        self.accounts.forget(key)
        self.cache.forget(key)
        self.faults.forget(key)
        self.held.pop(key, None)

    def model_list(self) -> dict[str, Any]:
        """The ``GET /v1/models`` body."""
        return {"object": "list", "data": [model_body(m) for m in self.models or LISTED_MODELS]}

    def _ask(self, dialect: Dialect, key: str, body: Mapping[str, Any]) -> Ask:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise ApiError(400, "you must provide a model parameter", param="model")
        if self.models is not None and model not in self.models:
            message = f"The model '{model}' does not exist or you do not have access to it."
            raise ApiError(404, message, param="model", code="model_not_found")
        try:
            request = read(dialect.prepared(body, self.held_for(key)), dialect.wire)
        except WireError as exc:
            where = re.sub(r"\.(\d+)", r"[\1]", exc.path)
            message = f"Invalid '{where}': {exc.problem}."
            raise ApiError(400, message, param=where, code="invalid_value") from exc
        return dialect.ask(request, counter_for(model))

    def _usage(self, arrival: Arrival, answers: Sequence[Answer]) -> Usage:
        """True usage; the prompt is read from the cache as far as it goes, and written to it."""
        request, count = arrival.ask.request, arrival.ask.count
        tokens = count_request(request, count)
        window = (self.models or {}).get(request.model)
        if window is not None and tokens > window:
            raise arrival.dialect.too_long(tokens, window)
        owner = (arrival.key, request.model)
        cached = arrival.dialect.cache_use(arrival.ask, self.cache, owner, self.clock())
        return Usage(
            input_tokens=tokens,
            output_tokens=sum(output_tokens(a, count) for a in answers),
            cache_read_tokens=cached.read,
            cache_write_tokens=cached.write,
            cache_write_1h_tokens=cached.hour,
            reasoning_tokens=sum(a.reasoning_tokens for a in answers),
        )

    def _failed(self, dialect: Dialect, key: str, number: int, error: ApiError) -> Delivery:
        raw = json.dumps(dialect.error(error)).encode()
        self.accounts.settle(key, number, status=error.status, response=raw)
        headers = (*error.headers, (dialect.request_header, f"req_sim{number}"))
        return Delivery(error.status, (raw,), headers)


def model_body(name: str) -> dict[str, Any]:
    """One entry of the model list."""
    return {"id": name, "object": "model", "created": 0, "owned_by": OWNER}


def _parsed(raw: bytes) -> dict[str, Any]:
    hint = "expected one JSON object in UTF-8"
    try:
        body = json.loads(raw)
    except ValueError as exc:  # also covers bytes that are not UTF-8
        message = f"We could not parse the JSON body of your request: {exc} ({hint})."
        raise ApiError(400, message) from exc
    except RecursionError as exc:
        raise ApiError(400, f"The JSON body is nested too deeply ({hint}).") from exc
    if not isinstance(body, dict):
        raise ApiError(400, f"The JSON body is a {type(body).__name__} ({hint}).")
    return body


def _delivery(
    pieces: tuple[bytes, ...], fault: Fault | None, *, events: bool, header: tuple[str, str]
) -> Delivery:
    """The response with the faults of delivery applied."""
    name = fault.name if fault else ""
    param = fault.param if fault else None
    if name == "malformed_body":
        middle = len(pieces) // 2
        broken = pieces[middle][: len(pieces[middle]) // 2] + (b"\n\n" if events else b"")
        pieces = (*pieces[:middle], broken, *pieces[middle + 1 :])
    if not events and name in ("drip", "broken_stream"):
        whole = b"".join(pieces)
        size = len(whole) // PIECES + 1
        pieces = tuple(whole[i : i + size] for i in range(0, len(whole), size))
    cut_after = None
    if name == "broken_stream":
        cut_after = min(int(param) if param is not None else len(pieces) // 2, len(pieces) - 1)
    return Delivery(
        status=200,
        pieces=pieces,
        headers=(header,),
        events=events,
        pause_s=(param or 0.0) if name == "drip" else 0.0,
        cut_after=cut_after,
    )
