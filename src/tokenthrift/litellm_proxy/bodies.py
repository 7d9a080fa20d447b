"""Bodies inside the data that a proxy hands to its hooks: what the caller said, and changing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

WIRES: Final[Mapping[str, str]] = {
    "completion": "openai-chat",
    "acompletion": "openai-chat",
    "responses": "openai-responses",
    "aresponses": "openai-responses",
    "anthropic_messages": "anthropic-messages",
}
"""Wires by the proxy's word for the kind of a call; all other kinds are left alone."""

METADATA: Final = ("litellm_metadata", "metadata")
"""Where the proxy keeps what it knows of a request; the first that is there."""
PRIVATE: Final = frozenset(
    {"metadata", "proxy_server_request", "secret_fields", "provider_specific_header"}
)
"""Keys that the proxy adds, beside those that begin with its name."""
MODEL: Final = "model"
RECORD: Final = "tokenthrift_record"
"""Among the proxy's metadata of a request: the id of its record."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the data of a request.

    Attributes:
        values: to set; ``removed`` keys go.
    """

    values: Mapping[str, Any]
    removed: frozenset[str] = frozenset()

    @classmethod
    def between(cls, given: Mapping[str, Any], sent: Mapping[str, Any], model: str) -> Change:
        """From what the caller gave to what is sent, to a model by the proxy's name."""
        values = {k: v for k, v in sent.items() if k != MODEL and given.get(k) is not v}
        return cls({**values, MODEL: model}, frozenset(given) - frozenset(sent) - {MODEL})

    def apply(self, data: MutableMapping[str, Any]) -> None:
        """Change the data in place, as the proxy expects; doing it again changes nothing."""
        for key in self.removed:
            data.pop(key, None)
        data.update(self.values)


def body_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller said, of all that the proxy holds of a request."""
    said = (data.get("proxy_server_request") or {}).get("body")
    keys = data if said is None else [key for key in data if key in said]
    return {key: data[key] for key in keys if not _is_private(key)}


def note_record(data: MutableMapping[str, Any], record_id: str) -> None:
    """Note which record a request will have, where the proxy's own logs see it too."""
    there = next((key for key in METADATA if isinstance(data.get(key), dict)), METADATA[0])
    if not isinstance(data.get(there), dict):
        data[there] = {}
    data[there][RECORD] = record_id  # in place: the proxy holds on to it elsewhere


def noted_record(data: Mapping[str, Any]) -> str | None:
    """What was noted."""
    found = (data[key].get(RECORD) for key in METADATA if isinstance(data.get(key), dict))
    return next((str(record_id) for record_id in found if record_id), None)


def _is_private(key: str) -> bool:
    return key in PRIVATE or key.startswith(("litellm_", "_litellm"))
