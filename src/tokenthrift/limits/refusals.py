"""Why a call is refused: which limit, how full it is, and when there is room again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.errors import LimitError
from tokenthrift.limits.rules import amount_words
from tokenthrift.limits.windows import SECOND_US, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.limits.amounts import Amount
    from tokenthrift.limits.rules import Call, LimitRule
    from tokenthrift.limits.store import Line, Use

NEVER: Final = float("inf")


def refuse_unpriced(rules: Sequence[LimitRule], call: Call) -> None:
    """Refuse a call without a known price that a limit of money touches.

    Raises:
        LimitError: such a limit does not let it pass for free.
    """
    for rule in rules:
        if rule.caps.nanos is not None and rule.unpriced == "refuse":
            raise LimitError(
                rule.name,
                f"the price of {call.model or 'the model'} is not known, so money cannot be "
                "limited; give it a card with prices, or set unpriced: free",
            )


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that found no room, and what it asked for."""

    call: Call
    asked: Amount
    now_us: int

    def error(
        self, rules: Sequence[LimitRule], lines: Sequence[Line], uses: Sequence[Use]
    ) -> LimitError:
        """The error of the limit that lets the call in last."""
        found: list[tuple[float, LimitError]] = []
        for rule, line, use in zip(rules, lines, uses, strict=True):
            for meter in line.caps.broken(use.total + self.asked):
                resets_us = self._resets_us(line, use, meter)
                error = LimitError(
                    rule.name,
                    self._problem(rule, use, meter),
                    meter=meter,
                    resets_at=None if resets_us is None else at(resets_us),
                    retry_after_s=(
                        None if resets_us is None else (resets_us - self.now_us) / SECOND_US
                    ),
                )
                found.append((NEVER if resets_us is None else resets_us, error))
        return max(found, key=lambda pair: pair[0])[1]

    def _resets_us(self, line: Line, use: Use, meter: str) -> int | None:
        """When enough has left the window, at the latest; None: the call is above the cap."""
        cap = dict(line.caps.set())[meter]
        left = getattr(use.total + self.asked, meter)
        if getattr(self.asked, meter) > cap:
            return None
        for piece in use.slices:
            left -= getattr(piece.spent + piece.held, meter)
            if left <= cap:
                return line.window.leaves_us(piece.slice_us)
        return None

    def _problem(self, rule: LimitRule, use: Use, meter: str) -> str:
        owner = rule.owner(self.call)
        cap = dict(rule.caps.set())[meter]
        return (
            f"{owner + ' may' if owner else 'calls may'} take {amount_words(meter, cap)} "
            f"{'in any' if rule.rolling else 'a'} {rule.window}; "
            f"{amount_words(meter, getattr(use.spent, meter))} spent, "
            f"{amount_words(meter, getattr(use.held, meter))} held by running calls, "
            f"{amount_words(meter, getattr(self.asked, meter))} asked for"
        )
