"""`Client` and `AsyncClient`: any provider that litellm knows, for those who have no SDK to wrap.

litellm is imported at the first call, not before; a plan alone needs no provider at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from anyio.to_thread import run_sync

from tokenthrift.client.account import Account
from tokenthrift.client.drive import complete, complete_async
from tokenthrift.client.options import CallOptions
from tokenthrift.client.teaching import feedback
from tokenthrift.client.wrap import ledger_at
from tokenthrift.pipeline import Plan, plan
from tokenthrift.transports.litellm_sdk import (
    Arguments,
    AsyncLiteLLMTransport,
    LiteLLMTransport,
    litellm_module,
)

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from litellm.types.utils import ModelResponse, ModelResponseStream

    from tokenthrift.catalog import Catalog
    from tokenthrift.ledger import Feedback, Ledger, Totals
    from tokenthrift.policy import Policy
    from tokenthrift.route import Forecaster
    from tokenthrift.verify import Verifier


class _Client:
    """What both clients share.

    Args:
        policy: a policy, its name, its file or its mapping.
        ledger: where records go: a file, a ledger that is open, or None for memory.
        tags: written into every record.
        catalog: model cards; the bundled ones (plus the policy's own) if None.
        forecaster: what is known of outcomes; None leaves adequacy to stated abilities.
        verifiers: checks of answers beside those that the policy names.
        defaults: litellm's keyword arguments for every call, e.g. ``api_key`` or ``timeout``.
    """

    def __init__(
        self,
        policy: Policy | str | Path | Mapping[str, Any] = "balanced",
        *,
        ledger: str | os.PathLike[str] | Ledger | None = None,
        tags: Mapping[str, str] | None = None,
        catalog: Catalog | None = None,
        forecaster: Forecaster | None = None,
        verifiers: Sequence[Verifier] = (),
        **defaults: Any,
    ) -> None:
        self.tokenthrift = Account(
            policy,
            ledger_at(ledger),
            catalog=catalog,
            tags=tags,
            forecaster=forecaster,
            verifiers=verifiers,
        )
        self._owns_ledger = self.tokenthrift.ledger is not ledger
        self._defaults = defaults

    def plan(self, *, model: str, messages: Iterable[Any], **params: Any) -> Plan:
        """What a call would send, and to which model; sends nothing."""
        given = self._arguments(model=model, messages=messages, **params)
        account = self.tokenthrift
        return plan(
            given.body, account.policy, catalog=account.catalog, forecaster=account.forecaster
        )

    def feedback(
        self,
        call_id: str,
        *,
        outcome: str | float | bool,
        value: float | None = None,
        source: str = "user",
    ) -> Feedback:
        """Say what an answer was worth; see `tokenthrift.feedback`."""
        return feedback(self.tokenthrift, call_id, outcome=outcome, value=value, source=source)

    def report(self) -> Totals:
        """Sums over all calls in the ledger."""
        self.tokenthrift.settle_abandoned()
        return self.tokenthrift.ledger.totals()

    def _arguments(self, **params: Any) -> Arguments:
        return Arguments.of_keywords({**self._defaults, **params})

    def _close(self) -> None:
        self.tokenthrift.settle_abandoned()
        self.tokenthrift.recall_store.close()
        if self._owns_ledger:
            self.tokenthrift.ledger.close()


class Client(_Client):
    """Blocking calls."""

    @overload
    def complete(
        self,
        *,
        model: str,
        messages: Iterable[Any],
        stream: Literal[False] | None = None,
        tags: Mapping[str, str] | None = None,
        **params: Any,
    ) -> ModelResponse: ...

    @overload
    def complete(
        self,
        *,
        model: str,
        messages: Iterable[Any],
        stream: Literal[True],
        tags: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Iterator[ModelResponseStream]: ...

    def complete(
        self,
        *,
        model: str,
        messages: Iterable[Any],
        stream: bool | None = None,
        tags: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Any:
        """Make a call.

        Args:
            model: as litellm names it, e.g. ``openai/gpt-4o-mini``.
            messages: the conversation.
            stream: whether the answer comes in chunks.
            tags: written into this call's record.
            params: any other keyword argument of ``litellm.completion``; ``tokenthrift`` says what
                else the call asks of us, e.g. ``{"off": True}``.

        Returns:
            litellm's ``ModelResponse`` (or its stream), with a receipt as ``tokenthrift``.
        """
        given = self._arguments(model=model, messages=messages, stream=stream, **params)
        transport = LiteLLMTransport(
            litellm_module().completion, given, self.tokenthrift.sdk_retries
        )
        return complete(self.tokenthrift, transport, given.body, options=_options(given, tags))

    def close(self) -> None:
        """Settle what is open; close what was cut, and the ledger if this client opened it."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class AsyncClient(_Client):
    """Awaited calls."""

    @overload
    async def complete(
        self,
        *,
        model: str,
        messages: Iterable[Any],
        stream: Literal[False] | None = None,
        tags: Mapping[str, str] | None = None,
        **params: Any,
    ) -> ModelResponse: ...

    @overload
    async def complete(
        self,
        *,
        model: str,
        messages: Iterable[Any],
        stream: Literal[True],
        tags: Mapping[str, str] | None = None,
        **params: Any,
    ) -> AsyncIterator[ModelResponseStream]: ...

    async def complete(
        self,
        *,
        model: str,
        messages: Iterable[Any],
        stream: bool | None = None,
        tags: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Any:
        """Make a call; see `Client.complete`."""
        given = self._arguments(model=model, messages=messages, stream=stream, **params)
        function = (await run_sync(litellm_module)).acompletion
        transport = AsyncLiteLLMTransport(function, given, self.tokenthrift.sdk_retries)
        return await complete_async(
            self.tokenthrift, transport, given.body, options=_options(given, tags)
        )

    async def close(self) -> None:
        """Settle what is open, and close the ledger if this client opened it."""
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()


def _options(given: Arguments, tags: Mapping[str, str] | None) -> CallOptions:
    options = CallOptions.of(given.asked)
    return replace(options, tags={**options.tags, **tags}) if tags else options
