"""Every text of a Messages body that a model gets to read, by its path.

Thinking is signed, and what server tools found is sealed by the provider: neither may be rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tokenthrift.wire.reading import listed, mapped
from tokenthrift.wire.texts import spoken, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Path


def texts_of_anthropic(body: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Paths and texts: schemas and the system text first, then the messages in their order."""
    yield from strings(body.get("tools"), ("tools",))
    wanted = mapped(body.get("output_config")).get("format")
    yield from strings(wanted, ("output_config", "format"))
    yield from strings(body.get("output_format"), ("output_format",))
    yield from _of_content(body.get("system"), ("system",))
    for n, message in enumerate(listed(body.get("messages"))):
        yield from _of_content(mapped(message).get("content"), ("messages", n, "content"))


def _of_content(content: Any, here: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(content, str):
        yield here, content
    for n, block in enumerate(listed(content)):
        if isinstance(block, Mapping):
            yield from _of_block(block, (*here, n))


def _of_block(block: Mapping[str, Any], here: Path) -> Iterator[tuple[Path, str]]:
    match block.get("type"):
        case "text":
            yield from spoken(block.get("text"), (*here, "text"))
        case "tool_use" | "mcp_tool_use":
            yield from strings(block.get("input"), (*here, "input"), frozenset())
        case "tool_result" | "mcp_tool_result":
            yield from _of_content(block.get("content"), (*here, "content"))
        case "search_result":
            for key in ("title", "content"):
                yield from spoken(block.get(key), (*here, key))
        case "document":
            for key in ("title", "context"):
                yield from spoken(block.get(key), (*here, key))
            source = mapped(block.get("source"))
            if source.get("type") == "text":
                yield from spoken(source.get("data"), (*here, "source", "data"))
            elif source.get("type") == "content":
                yield from spoken(source.get("content"), (*here, "source", "content"))
        case _:
            return
