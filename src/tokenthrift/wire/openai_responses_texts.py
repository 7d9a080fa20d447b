"""Every text of a Responses body that a model gets to read, by its path.

Items that only the provider can read (reasoning, compactions) hold no text that may be rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.wire.reading import listed, mapped
from tokenthrift.wire.texts import SPOKEN, spoken, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Path

SEALED: Final = frozenset({"reasoning", "compaction", "compaction_summary", "item_reference"})
# Keys of items under which text stands.
SAID: Final = ("content", "output", "arguments", "input")
SHELL: Final = SPOKEN | {"stdout", "stderr"}


def texts_of_responses(body: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Paths and texts: what no item holds first, then the items in their order."""
    yield from strings(body.get("tools"), ("tools",))
    wanted = mapped(body.get("text")).get("format")
    yield from strings(wanted, ("text", "format"))
    variables = mapped(body.get("prompt")).get("variables")
    for name, value in mapped(variables).items():
        yield from spoken(value, ("prompt", "variables", name))
    yield from spoken(body.get("instructions"), ("instructions",))
    given = body.get("input")
    if isinstance(given, str):
        yield ("input",), given
    for n, item in enumerate(listed(given)):
        if isinstance(item, Mapping):
            yield from _of_item(item, ("input", n))


def _of_item(item: Mapping[str, Any], here: Path) -> Iterator[tuple[Path, str]]:
    if item.get("type") in SEALED or "encrypted_content" in item:
        return
    for key in SAID:
        yield from spoken(item.get(key), (*here, key), SHELL)
    command = mapped(item.get("action")).get("command")
    yield from strings(command, (*here, "action", "command"))
