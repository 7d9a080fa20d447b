"""Vectors from a provider's embeddings endpoint, through litellm; what they cost is told.

The one encoder that leaves the machine, and only where a policy says ``kind: api``. Keys are read
by litellm, as for any call. litellm is imported on first use.
"""

from __future__ import annotations

import os
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tokenthrift.encoders.spending import Spend, report_spend
from tokenthrift.types import Money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    import numpy.typing as npt

__all__ = ["ApiEncoder"]

BATCH: Final = 256  # well under what any provider takes in one request
TIMEOUT_S: Final = 30.0
NANOS_PER_USD: Final = Decimal(1_000_000_000)


class ApiEncoder:
    """An embedding model of a provider. Safe with threads.

    Args:
        model: as litellm names it, e.g. ``openai/text-embedding-3-small``.
        api_base: where it is served, if not by the provider itself.
        timeout_s: of one request; it is not repeated.
    """

    def __init__(
        self, model: str, api_base: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.model = model
        self.api_base = api_base
        self.timeout_s = timeout_s

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised.

        Raises:
            ValueError: the answer has not one vector for each text.
            Exception: whatever litellm raises where the provider does not answer.
        """
        if not texts:
            return np.zeros((0, 0), np.float32)
        litellm = _litellm()
        parts = [
            self._request(litellm, list(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)
        ]
        vectors = np.concatenate(parts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)

    def _request(self, litellm: ModuleType, texts: list[str]) -> npt.NDArray[np.float32]:
        response = litellm.embedding(
            model=self.model,
            input=texts,
            api_base=self.api_base,
            timeout=self.timeout_s,
            max_retries=0,
            caching=False,
        )
        report_spend(self._spend(litellm, response))
        rows = sorted(response.data, key=lambda row: int(row["index"]))
        vectors = np.asarray([row["embedding"] for row in rows], np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise ValueError(f"{self.model} gave {len(rows)} vectors for {len(texts)} texts")
        return vectors

    def _spend(self, litellm: ModuleType, response: Any) -> Spend:
        tokens = int(getattr(response.usage, "prompt_tokens", 0) or 0)
        if tokens <= 0:  # no report: nobody can say what it cost
            return Spend(self.model, 0, None, estimated=True)
        price = _usd_per_token(litellm.model_cost, self.model)
        if price is None:
            return Spend(self.model, tokens, None)
        nanos = (price * tokens * NANOS_PER_USD).quantize(Decimal(1), ROUND_HALF_EVEN)
        return Spend(self.model, tokens, Money(int(nanos)))


def _usd_per_token(prices: Mapping[str, Mapping[str, Any]], model: str) -> Decimal | None:
    """The list price in litellm's map, exact; under the whole name, or without the provider's."""
    for name in (model, model.partition("/")[2]):
        price = prices.get(name, {}).get("input_cost_per_token")
        if price is not None:
            return Decimal(str(price))
    return None


def _litellm() -> ModuleType:
    """Import litellm (seconds), without letting it reach for the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    return litellm
