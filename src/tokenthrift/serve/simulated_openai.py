"""What both OpenAI APIs of the simulated provider share: keys, errors, the automatic cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenthrift.serve.simulated_cache import (
    EXTENDED_TTL_S,
    TTL_S,
    CacheUse,
    prompt_seed,
    render,
)
from tokenthrift.serve.simulated_types import ApiError, Ask, Held, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.serve.simulated_cache import PrefixCache


class OpenAIDialect:
    """The parts of a `Dialect` that do not depend on which of OpenAI's APIs it is.

    Attributes:
        prompt_param: the parameter that holds the prompt.
    """

    prompt_param = ""
    request_header = "x-request-id"
    only_counts = False

    def key(self, headers: Mapping[str, str], /) -> str | None:
        """The bearer token."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def too_long(self, tokens: int, window: int, /) -> ApiError:
        """The error of a prompt that exceeds the model's window."""
        message = (
            f"This model's maximum context length is {window} tokens. However, your messages "
            f"resulted in {tokens} tokens. Please reduce the length of the messages."
        )
        return ApiError(400, message, param=self.prompt_param, code="context_length_exceeded")

    def cache_use(
        self, ask: Ask, cache: PrefixCache, owner: tuple[str, str], now_s: float, /
    ) -> CacheUse:
        """What the cache reads of a prompt; afterwards all of it is in there."""
        request = ask.request
        extended = request.body.get("prompt_cache_retention") == "24h"
        ttl_s = EXTENDED_TTL_S if extended else TTL_S
        prompt, seed = render(request, ask.count), prompt_seed(request)
        return CacheUse(cache.read_and_write(owner, prompt, seed, now_s, ttl_s))

    def keep(self, _reply: Reply, _ask: Ask, _held: Held, /) -> None:
        """Nothing: the caller sends whole conversations."""

    def error(self, error: ApiError, /) -> dict[str, Any]:
        """OpenAI's error object."""
        fields = ("message", "type", "param", "code")
        return {"error": {name: getattr(error, name) for name in fields}}
