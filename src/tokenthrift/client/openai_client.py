"""OpenAI clients that plan and account for their chat completions.

A wrapped client is a copy of the caller's, of a subclass of its own class: all of its resources are
the SDK's own, and only ``post`` is ours. Chat completions that are created, parsed or streamed pass
through it; every other endpoint, and responses that are streamed raw, go out untouched and are not
recorded. Of the latter a policy that redacts takes the secrets, which then stay out of the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import openai
from anyio.to_thread import run_sync

from tokenthrift.client.drive import complete, complete_async
from tokenthrift.transports.openai_sdk import AsyncOpenAITransport, OpenAITransport, Posting

if TYPE_CHECKING:
    from typing import Self

    from tokenthrift.client.account import Account

C = TypeVar("C", bound="openai.OpenAI | openai.AsyncOpenAI")


class _Client(openai.OpenAI):
    """Put in front of the class of a caller's client."""

    tokenthrift: Account

    def post(self, path: str, **given: Any) -> Any:
        """Plan chat completions, pass on everything else."""
        posting = Posting.of(path, given)
        if posting is None:
            return super().post(path, **given)
        if not posting.is_planned:
            return super().post(path, **posting.arguments(self.tokenthrift.cleared(posting.body)))
        account = self.tokenthrift
        transport = OpenAITransport(super().post, posting, account.reads_first, account.sdk_retries)
        return complete(account, transport, posting.body)

    def copy(self, **changes: Any) -> Self:
        """The SDK's ``copy``; the copy stays wrapped, on the same account."""
        made = super().copy(**changes)
        made.tokenthrift = self.tokenthrift
        return made

    with_options = copy


class _AsyncClient(openai.AsyncOpenAI):
    """Put in front of the class of a caller's client."""

    tokenthrift: Account

    async def post(self, path: str, **given: Any) -> Any:
        """Plan chat completions, pass on everything else."""
        posting = Posting.of(path, given)
        if posting is None:
            return await super().post(path, **given)
        if not posting.is_planned:
            body = await run_sync(self.tokenthrift.cleared, posting.body)
            return await super().post(path, **posting.arguments(body))
        account = self.tokenthrift
        transport = AsyncOpenAITransport(
            super().post, posting, account.redacts, account.sdk_retries
        )
        return await complete_async(account, transport, posting.body)

    def copy(self, **changes: Any) -> Self:
        """The SDK's ``copy``; the copy stays wrapped, on the same account."""
        made = super().copy(**changes)
        made.tokenthrift = self.tokenthrift
        return made

    with_options = copy


def is_openai_client(client: object) -> bool:
    """Whether it is a client of the OpenAI SDK, Azure's included."""
    return isinstance(client, openai.OpenAI | openai.AsyncOpenAI)


def provider_of(client: object) -> str:
    """The seller that a client reaches, as model cards name it."""
    azure = isinstance(client, openai.AzureOpenAI | openai.AsyncAzureOpenAI)
    return "azure" if azure else "openai"


def wrapped_client(client: C, account: Account) -> C:
    """A copy of a client, on the same HTTP connections, that keeps an account.

    Raises:
        TypeError: the client is wrapped already; its calls would be planned twice.
    """
    if isinstance(client, _Client | _AsyncClient):
        raise TypeError("this client is wrapped already; wrap the one it was made from")
    made: Any = client.copy()
    made.__class__ = _class_of(type(client))
    made.tokenthrift = account
    wrapped: C = made
    return wrapped


_classes: dict[type, type] = {}


def _class_of(kind: type) -> type:
    """A subclass of a client's class, made once and under its name, so that nothing looks new."""
    found = _classes.get(kind)
    if found is None:
        front = _AsyncClient if issubclass(kind, openai.AsyncOpenAI) else _Client
        names = {"__doc__": kind.__doc__, "__module__": __name__}
        found = _classes.setdefault(kind, type(kind.__name__, (front, kind), names))
    return found
