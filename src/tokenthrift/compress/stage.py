"""What a stage is, and what it can act on: it need not run where a window holds nothing of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from tokenthrift.draft import Draft, Resources
    from tokenthrift.types import Kind


class Stage(Protocol):
    """Take a draft, return a draft. Pure: same input, same output, no I/O."""

    @property
    def name(self) -> str:
        """The word that names the stage in a policy."""
        ...

    @property
    def level(self) -> int:
        """How hard it compresses: 1 loses nothing, 2 selects, 3 digests."""
        ...

    def __call__(self, draft: Draft, resources: Resources, /) -> Draft:
        """The draft after this stage."""
        ...


class Reach(NamedTuple):
    """What a stage can act on; a stage says so in an attribute ``reach``, or is always run.

    Where a window holds nothing of it, the stage must leave the draft as it is and note nothing.

    Attributes:
        kinds: of open segments; None for any.
        pointing_tokens: where given, not open segments but those that may point, of so many tokens
            at least.
    """

    kinds: frozenset[Kind] | None = None
    pointing_tokens: int | None = None


class Staged(NamedTuple):
    """A stage with what is asked of it in every window."""

    stage: Stage
    name: str
    reach: Reach | None

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """Ask a stage once."""
        return cls(stage, stage.name, getattr(stage, "reach", None))


class Openings:
    """What the window of a draft holds for stages to act on.

    Args:
        draft: with the window.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._kinds = {s.kind for s in draft.open_segments()}

    @cached_property
    def _pointing_tokens(self) -> int:
        """Of the largest segment that may point; -1 without any."""
        draft = self._draft
        return max([s.tokens for s in draft.new_segments if draft.may_point(s)], default=-1)

    def hold(self, reach: Reach) -> bool:
        """Whether a stage of this reach may find something to do."""
        kinds, least = reach
        if least is not None:
            return self._pointing_tokens >= max(least, self._draft.floor_tokens)
        return bool(self._kinds) if kinds is None else not self._kinds.isdisjoint(kinds)
