"""The routing entry of a policy: which models a request may go to, and on what terms.

Validated at the border, frozen afterwards. With fewer than two candidates (or one that lists
efforts or levels) there is nothing to choose: calls stay on the caller's own model.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from tokenthrift.catalog import Bucket  # pydantic resolves it at run time
from tokenthrift.route.effort import EffortField  # the same

# Room left for an answer where the caller sets no limit: the median chat answer is far shorter, so
# this errs towards models that can finish.
RESERVE_OUTPUT_TOKENS: Final = 2_048
# A cost is a prediction; a switch for less than a tenth of it would follow noise.
SWITCH_MARGIN: Final = 0.1
# A conversation lasts about half as long again as it has lasted, as compaction expects, too.
EXPECTED_SHARE: Final = 0.5

Share = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[int, Field(ge=0, le=3)]
Check = Literal["schema", "tool_arguments", "truncated", "empty", "refusal", "code"]


class Candidate(BaseModel):
    """A model that requests may be sent to.

    Attributes:
        model: its name, as the transport takes it.
        covers: the hardest bucket it is good enough for; overrides its card.
        max_effort: requests that ask for more reasoning effort do not go here.
        efforts: reasoning efforts to choose from for requests that state none; none of them leaves
            the effort to the model.
        levels: how hard context may be compressed for it, to choose from; none of them takes what
            the policy's stages do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    covers: Bucket | None = None
    max_effort: EffortField | None = None
    efforts: tuple[EffortField, ...] = ()
    levels: tuple[Level, ...] = ()

    @property
    def offers_choice(self) -> bool:
        """Whether this model alone is several actions."""
        return len(self.efforts) > 1 or len(self.levels) > 1


class TaperStep(BaseModel):
    """How much less is asked for when so much of a budget is spent.

    Attributes:
        spent: share of the budget from which on it holds.
        floor: P(adequate) that is enough then.
        easier: where stated abilities decide, requests count as so many buckets easier.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spent: float = Field(gt=0, le=1)
    floor: Share | None = None
    easier: int = Field(default=0, ge=0, le=4)


class Retry(BaseModel):
    """How the same model is asked again after an error that may pass.

    Attributes:
        times: at most so often for one model. 0 leaves retries to the SDK; otherwise the SDK's own
            are switched off, so that they do not multiply.
        base_s: the first wait is drawn between 0 and this, each next one between 0 and twice that.
        max_wait_s: no wait is longer; a provider that asks for a longer one is not waited for.
        max_s: no wait begins that would end after so many seconds of attempts and waits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: int = Field(default=0, ge=0, le=10)
    base_s: float = Field(default=0.5, gt=0)
    max_wait_s: float = Field(default=20.0, gt=0)
    max_s: float = Field(default=120.0, gt=0)


class Loops(BaseModel):
    """When a conversation goes round in circles, and what is done then.

    Attributes:
        same_call: so many times in a row the same tool was called with the same arguments.
        same_request: so many user messages in a row say nearly the same.
        then: ``error`` refuses the call with `LoopError`, ``escalate`` sends it to a stronger
            model where there is one, ``off`` does nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    same_call: int = Field(default=4, ge=2)
    same_request: int = Field(default=4, ge=2)
    then: Literal["error", "escalate", "off"] = "off"

    @model_validator(mode="before")
    @classmethod
    def _off_is_a_word(cls, data: object) -> object:
        """YAML reads a bare ``off`` as false."""
        if isinstance(data, dict) and data.get("then") is False:
            return {**data, "then": "off"}
        return data


class Routing(BaseModel):
    """How a model is chosen, and what is done when it fails.

    Attributes:
        candidates: in order of preference, which decides between equal costs.
        baseline: the model that calls would go to without routing; the caller's own if None.
        upgrade: whether a call may go to an action that is expected to cost more than the baseline,
            where nothing cheaper is good enough. Without it the baseline is a candidate, too.
        floor: P(adequate) that is enough, where forecasts are there; without it, and for models
            that no forecast knows, stated abilities decide (``covers``).
        reserve_output_tokens: room for an answer where the caller sets no limit; also the predicted
            length of that answer where no forecast is there.
        expected_share: how many requests are expected to follow in a conversation, relative to the
            answers so far; they are part of what an action costs.
        switch_margin: a conversation changes its model only where that saves more than this share,
            even if it comes back with the next request.
        taper: how much less is asked for when most of a budget is spent.
        fallback: whether a failed call may go to another candidate.
        max_attempts: at most so many attempts for one call, retries and escalations included.
        retry: how the same model is asked again.
        rest_s: a model that failed is left alone for so many seconds where another can serve.
        max_usd_per_call: no action that is expected to cost more, fallbacks included.
        max_latency_s: no model that is known to take longer, where another can serve.
        allow_providers: sellers that requests may go to; None allows all.
        allow_regions: regions that requests may be served in; None allows all, and otherwise a
            model whose card names none is not eligible.
        verify: checks of an answer before the caller sees it; one that fails is asked again of a
            stronger action, and paid for.
        verify_streams: whether streams are read to their end and checked before the first byte is
            handed on; without it, what is streamed is not checked.
        loops: when a conversation goes round in circles.
        adequacy: file of abilities fitted on outcomes (``tokenthrift calibrate``), relative to the
            policy's file; ``shipped`` are those that come with the package.
        pin: every call goes to the one candidate, whatever model the caller asked for.
        learn: whether feedback in the ledger shifts the forecasts of models, by kind of task.
        forget: share of what was learned that each further outcome makes stale.
        explore: share of calls that may try another action that may be good enough, so that
            feedback on it is had; first calls of conversations only, propensities are recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: tuple[Candidate, ...] = ()
    baseline: str | None = None
    upgrade: bool = True
    floor: Share | None = None
    reserve_output_tokens: int = Field(default=RESERVE_OUTPUT_TOKENS, ge=0)
    expected_share: float = Field(default=EXPECTED_SHARE, ge=0)
    switch_margin: float = Field(default=SWITCH_MARGIN, ge=0)
    taper: tuple[TaperStep, ...] = ()
    fallback: bool = True
    max_attempts: int = Field(default=3, ge=1)
    retry: Retry = Retry()
    rest_s: float = Field(default=0.0, ge=0)
    max_usd_per_call: float | None = Field(default=None, gt=0)
    max_latency_s: float | None = Field(default=None, gt=0)
    allow_providers: frozenset[str] | None = None
    allow_regions: frozenset[str] | None = None
    verify: tuple[Check, ...] = ()
    verify_streams: bool = False
    loops: Loops = Loops()
    adequacy: str | None = None
    pin: bool = False
    learn: bool = False
    forget: float = Field(default=0.0, ge=0, le=0.5)
    explore: float = Field(default=0.0, ge=0, le=0.5)

    @field_serializer("allow_providers", "allow_regions")
    def _in_order(self, words: frozenset[str] | None) -> list[str] | None:
        """Sets have no order of their own; the policy's digest needs one."""
        return None if words is None else sorted(words)

    @property
    def pinned(self) -> bool:
        """Whether calls stay on the caller's own model."""
        few = len(self.candidates) < 2 and not any(c.offers_choice for c in self.candidates)
        return few and not (self.pin and self.candidates)

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that any candidate lists."""
        return tuple(sorted({level for c in self.candidates for level in c.levels}))

    def tapered(self, spent_share: float) -> TaperStep | None:
        """What is asked for less by now; None where the budget is not that far spent."""
        return next((s for s in reversed(self.taper) if spent_share >= s.spent), None)

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

    @model_validator(mode="after")
    def _taper_asks_for_less(self) -> Self:
        spent = [s.spent for s in self.taper]
        if spent != sorted(set(spent)):
            raise ValueError(f"taper must have rising shares, got {spent}")
        floors = [f for f in (self.floor, *(s.floor for s in self.taper)) if f is not None]
        if floors != sorted(floors, reverse=True):
            raise ValueError(f"taper must not raise the floor, got {floors}")
        return self
