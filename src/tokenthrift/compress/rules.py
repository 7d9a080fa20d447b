"""What a policy says about compression: stages, budget, and when the past is compressed again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress.stage import Staged

if TYPE_CHECKING:
    from tokenthrift.compress.paying import CachePrices
    from tokenthrift.compress.stage import Stage


class Budget(BaseModel):
    """How many input tokens a request may have."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hard_tokens: int | None = Field(default=None, ge=1)
    """Never more than this, framing and tool schemas included. None: no budget."""
    on_over_budget: Literal["error", "trim"] = "error"
    """What to do where protected text alone exceeds it."""
    protected_share: float = Field(default=0.85, gt=0, le=1)
    """With ``trim``: share of the budget that system text may take; less beyond a ratio of two."""


class Compaction(BaseModel):
    """When a conversation's past is compressed again; each time re-writes the provider's cache."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at_tokens: int | None = Field(default=None, ge=1_000)
    """A request above this size is compacted. None: only where the hard budget asks. One that
    cannot be brought below it is compacted again when it has grown by a tenth since."""
    to_share: float = Field(default=0.5, gt=0, lt=1)
    """What is left afterwards, relative to the threshold; room to grow until the next time."""
    priced: bool = False
    """Also where the model's cache prices say that it pays within the requests to come."""
    least_tokens: int = Field(default=16_000, ge=1_000)
    """With ``priced``: smaller requests are left alone, as are those that have not grown by
    ``1 / to_share`` since the last compaction."""
    expected_share: float = Field(default=0.5, gt=0)
    """With ``priced``: how many requests are expected to follow, relative to those so far."""


@dataclass(frozen=True)
class Rules:
    """What a policy says about compression. Without slots, for what is worked out once.

    Attributes:
        scope: ``conversation`` decides turn by turn and freezes; ``request`` takes the request as a
            one-off and may cut anything for its last question.
        cache: what the cache of the request's model costs; None where that is not known, and then
            no compaction is made for its price.
    """

    stages: tuple[Stage, ...]
    digest: str
    scope: Literal["conversation", "request"] = "conversation"
    floor_tokens: int = 120
    budget: Budget = field(default_factory=Budget)
    compaction: Compaction = field(default_factory=Compaction)
    raise_stage_errors: bool = False
    cache: CachePrices | None = None

    @cached_property
    def lossless(self) -> tuple[Staged, ...]:
        """The stages that lose nothing."""
        return tuple(Staged.of(s) for s in self.stages if s.level <= 1)

    @cached_property
    def lossy(self) -> tuple[Staged, ...]:
        """The others, which run after them."""
        return tuple(Staged.of(s) for s in self.stages if s.level > 1)

    @cached_property
    def in_order(self) -> tuple[Staged, ...]:
        """All of them."""
        return self.lossless + self.lossy

    @property
    def change_nothing(self) -> bool:
        """Whether every request is left as it is given."""
        bounds = (self.budget.hard_tokens, self.compaction.at_tokens)
        return not self.stages and bounds == (None, None)

    def up_to(self, level: int) -> Rules:
        """The same with the stages of this level and below only."""
        stages = tuple(s for s in self.stages if int(getattr(s, "level", 0)) <= level)
        if len(stages) == len(self.stages):
            return self
        return replace(self, stages=stages, digest=f"{self.digest}.{level}")
