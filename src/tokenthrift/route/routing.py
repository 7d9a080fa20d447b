"""The routing entry of a policy: which models a request may go to, and on what terms.

Validated at the border, frozen afterwards. With fewer than two candidates there is nothing to
choose: calls stay on the caller's own model.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from tokenthrift.catalog import Bucket  # pydantic resolves it at run time
from tokenthrift.route.effort import EffortField  # the same

# Room left for an answer where the caller sets no limit: the median chat answer is far shorter, so
# this errs towards models that can finish.
RESERVE_OUTPUT_TOKENS: Final = 2_048


class Candidate(BaseModel):
    """A model that requests may be sent to.

    Attributes:
        model: its name, as the transport takes it.
        covers: the hardest bucket it is good enough for; overrides its card.
        max_effort: requests that ask for more reasoning effort do not go here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    covers: Bucket | None = None
    max_effort: EffortField | None = None


class Routing(BaseModel):
    """How a model is chosen.

    Attributes:
        candidates: in order of preference, which decides between equal costs.
        baseline: the model that calls would go to without routing; the caller's own if None.
        floor: P(adequate) that is enough, where forecasts are there.
        reserve_output_tokens: room for an answer where the caller sets no limit; also the predicted
            length of that answer.
        fallback: whether a failed call may go to another candidate.
        allow_providers: sellers that requests may go to; None allows all.
        adequacy: file of abilities fitted on outcomes (``tokenthrift calibrate``), relative to the
            policy's file.
        pin: every call goes to the one candidate, whatever model the caller asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: tuple[Candidate, ...] = ()
    baseline: str | None = None
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    reserve_output_tokens: int = Field(default=RESERVE_OUTPUT_TOKENS, ge=0)
    fallback: bool = True
    allow_providers: frozenset[str] | None = None
    adequacy: str | None = None
    pin: bool = False

    @field_serializer("allow_providers")
    def _in_order(self, providers: frozenset[str] | None) -> list[str] | None:
        """Sets have no order of their own; the policy's digest needs one."""
        return None if providers is None else sorted(providers)

    @property
    def pinned(self) -> bool:
        """Whether calls stay on the caller's own model."""
        return len(self.candidates) < 2 and not self.pin

    @model_validator(mode="after")
    def _no_model_twice(self) -> Self:
        names = [c.model for c in self.candidates]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"candidates name {', '.join(twice)} more than once")
        return self

    @model_validator(mode="after")
    def _one_is_pinned(self) -> Self:
        if self.pin and len(self.candidates) != 1:
            raise ValueError(f"pin needs exactly one candidate, got {len(self.candidates)}")
        return self
