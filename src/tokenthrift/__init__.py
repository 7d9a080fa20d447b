"""Middleware that makes every LLM call cheaper without making it worse.

One line around the SDK you use: ``client = tokenthrift.wrap(openai.OpenAI())``. Names are imported
when they are first used, so importing this package costs milliseconds and pulls in no SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenthrift.catalog import Catalog as Catalog
    from tokenthrift.catalog import load_catalog as load_catalog
    from tokenthrift.client.account import Account as Account
    from tokenthrift.client.call import Receipt as Receipt
    from tokenthrift.client.call import receipt_of as receipt_of
    from tokenthrift.client.client import AsyncClient as AsyncClient
    from tokenthrift.client.client import Client as Client
    from tokenthrift.client.tagging import tags as tags
    from tokenthrift.client.teaching import feedback as feedback
    from tokenthrift.client.wrap import account_of as account_of
    from tokenthrift.client.wrap import wrap as wrap
    from tokenthrift.errors import BridgeError as BridgeError
    from tokenthrift.errors import CatalogError as CatalogError
    from tokenthrift.errors import EditError as EditError
    from tokenthrift.errors import ExhaustedError as ExhaustedError
    from tokenthrift.errors import KeyFileError as KeyFileError
    from tokenthrift.errors import LedgerError as LedgerError
    from tokenthrift.errors import LimitError as LimitError
    from tokenthrift.errors import LimitStoreError as LimitStoreError
    from tokenthrift.errors import LoopError as LoopError
    from tokenthrift.errors import MissingExtraError as MissingExtraError
    from tokenthrift.errors import NoCandidateError as NoCandidateError
    from tokenthrift.errors import OutcomeError as OutcomeError
    from tokenthrift.errors import OverBudgetError as OverBudgetError
    from tokenthrift.errors import PolicyError as PolicyError
    from tokenthrift.errors import RecallError as RecallError
    from tokenthrift.errors import ReplayError as ReplayError
    from tokenthrift.errors import RequestError as RequestError
    from tokenthrift.errors import RoutingError as RoutingError
    from tokenthrift.errors import ServeError as ServeError
    from tokenthrift.errors import TokenthriftError as TokenthriftError
    from tokenthrift.errors import WireError as WireError
    from tokenthrift.ledger import LedgerRecord as LedgerRecord
    from tokenthrift.ledger import open_ledger as open_ledger
    from tokenthrift.pipeline import Plan as Plan
    from tokenthrift.pipeline import plan as plan
    from tokenthrift.policy import Policy as Policy
    from tokenthrift.policy import load_policy as load_policy
    from tokenthrift.policy import shipped_policies as shipped_policies
    from tokenthrift.types import Money as Money
    from tokenthrift.types import Usage as Usage

    __version__: str

__all__ = [
    "Account",
    "AsyncClient",
    "BridgeError",
    "Catalog",
    "CatalogError",
    "Client",
    "EditError",
    "ExhaustedError",
    "KeyFileError",
    "LedgerError",
    "LedgerRecord",
    "LimitError",
    "LimitStoreError",
    "LoopError",
    "MissingExtraError",
    "Money",
    "NoCandidateError",
    "OutcomeError",
    "OverBudgetError",
    "Plan",
    "Policy",
    "PolicyError",
    "RecallError",
    "Receipt",
    "ReplayError",
    "RequestError",
    "RoutingError",
    "ServeError",
    "TokenthriftError",
    "Usage",
    "WireError",
    "account_of",
    "feedback",
    "load_catalog",
    "load_policy",
    "open_ledger",
    "plan",
    "receipt_of",
    "shipped_policies",
    "tags",
    "wrap",
]

_HOMES: Final[dict[str, tuple[str, ...]]] = {
    "catalog": ("Catalog", "load_catalog"),
    "client.account": ("Account",),
    "client.call": ("Receipt", "receipt_of"),
    "client.client": ("AsyncClient", "Client"),
    "client.tagging": ("tags",),
    "client.teaching": ("feedback",),
    "client.wrap": ("account_of", "wrap"),
    "ledger": ("LedgerRecord", "open_ledger"),
    "pipeline": ("Plan", "plan"),
    "policy": ("Policy", "load_policy", "shipped_policies"),
    "types": ("Money", "Usage"),
}
"""Which module a name lives in; errors are all in ``errors``."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("tokenthrift")
    elif name in __all__:
        home = next((h for h, names in _HOMES.items() if name in names), "errors")
        value = getattr(import_module(f"{__name__}.{home}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
