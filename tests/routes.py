"""Small catalogs, forecasters and conversations that the tests of routing share."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tokenthrift import wire
from tokenthrift.catalog import Catalog
from tokenthrift.catalog.prices import PriceMap
from tokenthrift.route import Forecast, Routing
from tokenthrift.types import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenthrift.route import Action


def entry(usd: str, window: int = 1_000_000, **more: Any) -> dict[str, Any]:
    """An entry of a price map: output costs four times the input, a cached token a tenth."""
    price = Decimal(usd).scaleb(-6)
    return {
        "litellm_provider": "openai",
        "max_input_tokens": window,
        "max_output_tokens": 32_000,
        "input_cost_per_token": price,
        "output_cost_per_token": 4 * price,
        "cache_read_input_token_cost": price / 10,
        "supports_prompt_caching": True,
        "supports_function_calling": True,
        "supports_reasoning": True,
        **more,
    }


CATALOG = Catalog(
    PriceMap({"small": entry("0.1"), "medium": entry("1"), "large": entry("10")}, "test", "test")
)
CHANCES = {"small": 0.6, "medium": 0.8, "large": 0.95}
ASK = {"role": "user", "content": "Which of these is larger?"}
SAID = {"role": "assistant", "content": "The second."}
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "nothing"}


def oracle(
    chances: Mapping[str, float] = CHANCES, output: int | None = None, gain: float = 0.0
) -> Callable[[Request, Sequence[Action]], list[Forecast | None]]:
    """A forecaster that knows these chances; ``gain`` is what each step of effort adds."""

    def forecast(_request: Request, actions: Sequence[Action]) -> list[Forecast | None]:
        found: list[Forecast | None] = []
        for action in actions:
            p = chances.get(action.card.name)
            if p is None:
                found.append(None)
                continue
            steps = 0 if action.effort is None else int(action.effort)
            p = min(1.0, p + gain * steps)
            tokens = None if output is None else output * (1 + steps)
            found.append(Forecast(p, max(0.0, p - 0.1), min(1.0, p + 0.1), tokens))
        return found

    return forecast


def rules(*names: str, **more: Any) -> Routing:
    """A routing entry of models about which nothing is stated."""
    listed = [n if isinstance(n, dict) else {"model": n} for n in names]
    return Routing.model_validate({"candidates": listed, **more})


def asked(*messages: Any, **body: Any) -> Request:
    """A request of these messages."""
    return wire.read({"model": "asked", "messages": list(messages or (ASK,)), **body})


def circle(times: int, arguments: str = '{"at": 1, "of": 2}') -> list[Any]:
    """A conversation that makes the same call again and again, in two spellings."""
    messages: list[Any] = [ASK]
    for n in range(times):
        text = arguments if n % 2 else '{"of":2,"at":1}'
        call = {"id": f"c{n}", "type": "function", "function": {"name": "look", "arguments": text}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{n}", "content": "nothing"})
    return messages
