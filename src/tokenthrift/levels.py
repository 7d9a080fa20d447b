"""A request at the levels of compression that a policy's candidates may choose from.

Where no candidate lists levels there is one, the policy's own, and nothing is done twice. Which
levels are made depends on the policy, the request and where a tool loop already stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tokenthrift.compress import compress, join
from tokenthrift.errors import OverBudgetError
from tokenthrift.route import Shape, in_tool_loop

if TYPE_CHECKING:
    from tokenthrift.compress import Memo, Rules
    from tokenthrift.draft import Draft, Resources
    from tokenthrift.policy import Policy
    from tokenthrift.route import Session
    from tokenthrift.types import Request, TokenCounter


@dataclass(frozen=True, slots=True)
class Compressed:
    """A request at one level; None is the policy's own."""

    level: int | None
    draft: Draft
    sent: Request

    @property
    def tokens(self) -> int:
        """Of the request as it would be sent."""
        return self.draft.tokens

    @property
    def shape(self) -> Shape:
        """What a choice needs to know of it."""
        return Shape(self.level or 0, self.sent, self.tokens)


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels to compress at, the one first that candidates get who list none."""

    levels: tuple[int | None, ...]

    @classmethod
    def of(cls, policy: Policy, session: Session, request: Request) -> Self:
        """The levels that are needed for a request.

        A tool loop stays at the level of its last call, so only that one is made.
        """
        listed = policy.routing.levels
        if policy.routing.pinned or not listed:
            return cls((None,))
        kept = None if session.kept is None else session.kept.level
        if kept is not None and in_tool_loop(request):
            return cls((kept,))
        if all(c.levels for c in policy.routing.candidates):
            return cls(tuple(sorted(listed, reverse=True)))
        own = max((int(getattr(s, "level", 0)) for s in policy.stages), default=0)
        return cls((own, *(level for level in listed if level != own)))

    @property
    def are_listed(self) -> bool:
        """Whether there is something to choose."""
        return self.levels != (None,)

    def compressed(
        self,
        asked: Request,
        rules: Rules,
        count: TokenCounter,
        resources: Resources,
        memo: Memo | None,
    ) -> list[Compressed]:
        """The request at each level that keeps to the hard budget.

        Raises:
            OverBudgetError: there is none.
        """
        made: list[Compressed] = []
        refused: OverBudgetError | None = None
        for level in self.levels:
            own = rules if level is None else rules.up_to(level)
            try:
                draft = compress(asked, own, count, resources, memo)
            except OverBudgetError as error:
                refused = error
                continue
            made.append(Compressed(level, draft, join(asked, draft.segments, draft.removed)))
        if refused is not None and not made:
            raise refused
        return made
