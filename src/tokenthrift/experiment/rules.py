"""The `holdout` of a policy: which sessions are treated, which are left alone to compare with."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tokenthrift.experiment.arms import Assignment, place_of

EVERY: Final = 1.0
PERCENT: Final = "%"


def _step(given: Any) -> Any:
    """A step as people write it; YAML takes a bare ``off`` for false."""
    if given is False:
        return "off"
    if given is True:
        return EVERY
    if isinstance(given, str) and given.strip().endswith(PERCENT):
        try:
            return float(given.strip().removesuffix(PERCENT)) / 100
        except ValueError:
            return given
    return given


Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Rollout: TypeAlias = Annotated[
    Literal["off", "shadow"] | Annotated[float, Field(gt=0, le=1)],
    BeforeValidator(_step, json_schema_input_type=float | str),
]


class Holdout(BaseModel):
    """Which share of sessions is treated, and what is done when that turns out to do harm."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    share: Annotated[Share, BeforeValidator(_step, json_schema_input_type=float | str)] = 0.0
    """Of sessions that go unmodified, to the baseline model, so that savings can be measured."""
    rollout: Rollout = EVERY
    """``off``: nothing is planned. ``shadow``: it is planned and recorded, and the original is
    sent. A share, ``0.05`` or ``5%``: so many of the sessions are treated. 1: all but the held
    out."""
    salt: str = "tokenthrift"
    """Another salt draws other sessions."""
    on_harm: Literal["stop", "warn"] = "stop"
    """When treated sessions are shown to cost more or to end worse: nothing is treated any more, or
    it is only said."""
    false_alarms: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance that harm is seen where there is none, however often one looks."""
    worse: float = Field(default=0.0, ge=0, lt=1)
    """How far the mean outcome of rated sessions may fall before that is harm."""
    settle_minutes: float = Field(default=60.0, ge=0)
    """Of a session, what its first so many minutes cost is what harm is looked for in."""

    @property
    def is_on(self) -> bool:
        """Whether there is anything to draw, so that calls have an arm."""
        return self.share > 0 or self.rollout != EVERY

    @property
    def treated_share(self) -> float:
        """P(treated) of a session."""
        if isinstance(self.rollout, str):
            return 0.0
        return min(self.rollout, 1.0 - self.share)

    def assign(
        self, session: str, *, stopped: bool = False, compares_off: bool = True
    ) -> Assignment | None:
        """The arm of a session: the same for all its calls, on every replica.

        A session that is treated stays so when the rollout grows, and one that is held out stays so
        at every rollout share.

        Args:
            session: its key.
            stopped: whether harm was seen; then no session is treated.
            compares_off: whether sessions that a rollout has not reached yet go the way of those
                that are held out, so that they can be compared with as well.

        Returns:
            None where the policy treats everything.
        """
        if not self.is_on:
            return None
        if stopped or self.rollout == "off":
            return Assignment("off", 0.0)
        if self.rollout == "shadow":
            return Assignment("shadow", 0.0)
        return self._drawn(place_of(session, self.salt), compares_off=compares_off)

    def _drawn(self, place: float, *, compares_off: bool) -> Assignment:
        treated = self.treated_share
        held = place >= 1.0 - self.share
        if not compares_off:
            if place >= treated and not held:
                return Assignment("off", 0.0)
            treated_of_compared = treated / (treated + self.share)
            return Assignment("holdout" if held else "treated", treated_of_compared)
        if place < treated:
            return Assignment("treated", treated)
        return Assignment("holdout" if held else "off", treated)
