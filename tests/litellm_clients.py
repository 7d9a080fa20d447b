"""litellm keeps its HTTP clients and leaves their sockets to the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import warnings


async def close_litellm() -> None:
    """Close what litellm keeps, so that no later test is blamed for its sockets."""
    import litellm
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    await close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
    await asyncio.sleep(0)  # transports close with the loop's next round
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
