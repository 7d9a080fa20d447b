"""What a single call may ask for beside its body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: Final = ("off", "tags", "session", "floor")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a call asks for beside its body.

    Attributes:
        off: it goes as it is given, to the model it names, and is accounted for all the same.
            Where the policy redacts, secrets are taken out of it nevertheless.
        tags: written into its record.
        session: names the session that it belongs to; without it the conversation tells.
        floor: P(adequate) that is enough for it, instead of the policy's.
        stays: why its form keeps it with the client's own seller; said by the client, not the user.
        key: names the API key that it came with, for limits by key; set by services, not callers.
    """

    off: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    floor: float | None = None
    stays: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if self.floor is not None and not 0 <= self.floor <= 1:
            raise ValueError(f"floor is {self.floor}; it must be from 0 to 1")

    @classmethod
    def of(cls, given: CallOptions | Mapping[str, Any] | None) -> CallOptions:
        """Options as a user writes them: ``{"off": True}``, ``{"tags": {"user": "u1"}}``.

        Raises:
            TypeError: they are no mapping, or a value is of the wrong kind.
            ValueError: an option is not known, or the floor is no probability.
        """
        if given is None:
            return PLAIN
        if isinstance(given, CallOptions):
            return given
        if not hasattr(given, "items"):
            raise TypeError(f"options of a call are a mapping, not {type(given).__name__}")
        unknown = [key for key in given if key not in OPTIONS]
        if unknown:
            raise ValueError(f"unknown option {unknown[0]!r} of a call; use {', '.join(OPTIONS)}")
        _check_kinds(given)
        return cls(**given)


PLAIN: Final = CallOptions()


def _check_kinds(given: Mapping[str, Any]) -> None:
    kinds: dict[str, type | tuple[type, ...]] = {
        "off": bool,
        "session": (str, type(None)),
        "floor": (int, float, type(None)),
    }
    for key, kind in kinds.items():
        if key in given and not isinstance(given[key], kind):
            raise TypeError(f"the option {key!r} of a call cannot be {given[key]!r}")
    tags = given.get("tags", {})
    if not hasattr(tags, "items") or not all(
        isinstance(k, str) and isinstance(v, str) for k, v in tags.items()
    ):
        raise TypeError(f"the option 'tags' of a call maps names to texts, not {tags!r}")
