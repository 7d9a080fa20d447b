"""A plugin of the LiteLLM proxy: ``callbacks: tokenthrift.litellm_proxy.thrift`` in its settings.

`Thrift` is the class; ``thrift`` an instance of it, made when it is first asked for, with the
policy and the ledger that the environment names. Importing this module imports LiteLLM.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.litellm_proxy.plugin import Thrift

if TYPE_CHECKING:
    thrift: Thrift

__all__ = ["LEDGER", "POLICY", "Thrift", "thrift"]

POLICY: Final = "TOKENTHRIFT_POLICY"
"""Names a policy or its file; ``balanced`` where it is not set."""
LEDGER: Final = "TOKENTHRIFT_LEDGER"
"""Names a ledger file; the newest records stay in memory where it is not set."""


def __getattr__(name: str) -> Any:
    """Make the instance (PEP 562), once."""
    if name != "thrift":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = Thrift(os.environ.get(POLICY) or "balanced", ledger=os.environ.get(LEDGER) or None)
    globals()[name] = made
    return made
