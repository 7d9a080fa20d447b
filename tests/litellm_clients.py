"""litellm for tests: it keeps its HTTP clients, and leaves sockets to the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

LITELLM_MARKS: Final = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]
"""What litellm itself warns of, and nobody here can mend."""


@contextmanager
def quiet_litellm() -> Iterator[ModuleType]:
    """The module without its hints; its clients are let go of in the end."""
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_aiohttp_transport = True
    yield litellm
    litellm.in_memory_llm_clients_cache.flush_cache()
    _collect()


async def close_litellm() -> None:
    """Close what litellm keeps, so that no later test is blamed for its sockets."""
    import litellm
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    await close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
    await asyncio.sleep(0)  # transports close with the loop's next round
    _collect()


def _collect() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
