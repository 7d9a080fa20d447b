"""Model cards: what a model can do, holds and costs, and what a call on it cost.

Cards come from LiteLLM's bundled price map (read as a file) and from the user's own YAML. What is
not known is None, here and in everything computed from it; nothing is guessed.
"""

from tokenthrift.catalog.cards import (
    CAPABILITIES,
    EFFORTS,
    Bucket,
    CacheRule,
    ComplexityBucket,
    ModelCard,
    Prices,
    PriceTier,
    Rates,
    Service,
    ServicePrices,
)
from tokenthrift.catalog.catalog import Catalog, load_catalog
from tokenthrift.catalog.cost import cost

__all__ = [
    "CAPABILITIES",
    "EFFORTS",
    "Bucket",
    "CacheRule",
    "Catalog",
    "ComplexityBucket",
    "ModelCard",
    "PriceTier",
    "Prices",
    "Rates",
    "Service",
    "ServicePrices",
    "cost",
    "load_catalog",
]
