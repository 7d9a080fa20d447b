"""`wrap`: one line around the SDK you use; every call then costs less and is accounted for.

Gives a new object of the same interface and leaves yours as it was.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tokenthrift.client.account import Account
from tokenthrift.client.callables import is_chat_function, wrapped_function
from tokenthrift.client.litellm_client import LiteLLM, RoutedLiteLLM, is_router
from tokenthrift.client.recent import RecentLedger
from tokenthrift.client.sdk_clients import is_sdk_client, provider_of, wrapped_client
from tokenthrift.ledger import open_ledger
from tokenthrift.transports.crossing import ThroughLiteLLM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tokenthrift.catalog import Catalog
    from tokenthrift.ledger import Ledger
    from tokenthrift.policy import Policy
    from tokenthrift.route import Forecaster
    from tokenthrift.verify import Verifier

T = TypeVar("T")


def wrap(  # noqa: PLR0913 - each of them is passed in by somebody else
    client: T,
    policy: Policy | str | Path | Mapping[str, Any] = "balanced",
    *,
    ledger: str | os.PathLike[str] | Ledger | None = None,
    tags: Mapping[str, str] | None = None,
    catalog: Catalog | None = None,
    forecaster: Forecaster | None = None,
    verifiers: Sequence[Verifier] = (),
    others: Any = None,
) -> T:
    """A client that plans and accounts for every call made through it.

    Args:
        client: a client of the SDKs of OpenAI (``openai.OpenAI``, ``AsyncOpenAI``, Azure's) or
            Anthropic (``anthropic.Anthropic``, ``AsyncAnthropic``, Bedrock's and Vertex's); the
            ``litellm`` module or a ``litellm.Router``; or a function of chat shape, which takes
            ``model=``, ``messages=`` and more, and gives what Chat Completions give.
        policy: a policy, its name, its file or its mapping.
        ledger: where records go: a file, a ledger that is open, or None for the newest records in
            memory (``account_of(client).ledger``).
        tags: written into every record.
        catalog: model cards; the bundled ones (plus the policy's own) if None.
        forecaster: what is known of outcomes; None leaves adequacy to stated abilities.
        verifiers: checks of answers beside those that the policy names; each is called with an
            answer and the request, and says what is wrong, or nothing.
        others: the ``litellm`` module or a router of it, through which calls of an SDK's client
            reach candidates of other sellers; without it they are not eligible.

    Returns:
        An object of the same interface. Responses are the SDK's own and carry a receipt as
        ``response.tokenthrift``.

    Raises:
        PolicyError: the policy is wrong.
        LedgerError: the ledger cannot be opened.
        TypeError: the client is of no known kind, or is wrapped already.
    """
    sdk_client = is_sdk_client(client)
    if isinstance(getattr(client, "tokenthrift", None), Account):
        raise TypeError("this is wrapped already; wrap what it was made from")
    if not (sdk_client or _is_litellm(client) or is_router(client) or is_chat_function(client)):
        raise TypeError(_cannot_wrap(client))
    account = Account(
        policy,
        ledger_at(ledger),
        catalog=catalog,
        tags=tags,
        provider=provider_of(client) if sdk_client else None,
        forecaster=forecaster,
        verifiers=verifiers,
    )
    if others is not None:
        _reach(account, client, others)
    if sdk_client:
        return cast("T", wrapped_client(cast("Any", client), account))
    if _is_litellm(client):
        return cast("T", LiteLLM(cast("ModuleType", client), account))
    if is_router(client):
        return cast("T", RoutedLiteLLM(client, account))
    return cast("T", wrapped_function(cast("Any", client), account))


def account_of(client: object) -> Account:
    """The account of a wrapped client: its ledger, its policy, what its sinks raised.

    Raises:
        TypeError: the client is not a wrapped one.
    """
    found = getattr(client, "tokenthrift", None)
    if not isinstance(found, Account):
        raise TypeError(f"{type(client).__name__} is not wrapped; use what wrap() returned")
    return found


def ledger_at(where: str | os.PathLike[str] | Ledger | None) -> Ledger:
    """The ledger of an address; the newest records in memory where there is none."""
    if where is None:
        return RecentLedger()
    if isinstance(where, str | os.PathLike):
        return open_ledger(where)
    return where


def _reach(account: Account, client: object, others: Any) -> None:
    """Let an account ask other sellers' models through litellm."""
    if not is_sdk_client(client):
        raise TypeError("others= is for clients of OpenAI's and Anthropic's SDKs")
    if not callable(getattr(others, "completion", None)):
        raise TypeError("others= is the litellm module, or a litellm.Router")

    def seller_of(model: str) -> str | None:
        card = account.catalog.get(model)
        return None if card is None else card.provider

    account.reach(ThroughLiteLLM(others, provider_of(client), seller_of))


def _is_litellm(client: object) -> bool:
    return isinstance(client, ModuleType) and client.__name__ == "litellm"


def _cannot_wrap(client: object) -> str:
    what = client.__name__ if isinstance(client, ModuleType | type) else type(client).__name__
    return (
        f"cannot wrap {what}; give an openai.OpenAI or openai.AsyncOpenAI client, an "
        "anthropic.Anthropic or anthropic.AsyncAnthropic client, the litellm module or a "
        "litellm.Router, or a function that takes model= and messages="
    )
