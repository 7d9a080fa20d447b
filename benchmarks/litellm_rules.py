"""LiteLLM's rule-based complexity router as a scorer, run beside ours."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any
from unittest.mock import MagicMock


@lru_cache(maxsize=1)
def _router() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

    return ComplexityRouter("rules", MagicMock(), {"tiers": {}})


def score(prompts: list[str]) -> list[float]:
    """Its weighted score of each prompt; the tier follows from it."""
    return [float(_router().classify(p)[1]) for p in prompts]
