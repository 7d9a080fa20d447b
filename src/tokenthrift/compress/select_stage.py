"""The selective stage of a policy: what it may cut, and how much."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress import syntax
from tokenthrift.compress.loops import in_loop
from tokenthrift.compress.markers import is_page_mark
from tokenthrift.compress.relevance.rungs import RungName, check
from tokenthrift.compress.selecting import CodeCut, Manner, PagesKept, select, size_of
from tokenthrift.compress.stage import Reach

if TYPE_CHECKING:
    from tokenthrift.draft import Draft, Resources

ELSEWHERE: Final = "select: cuts only"
WHERE: Final = {"loop": "where the model works with tools", "talk": "outside of loops of tools"}


class Select(BaseModel):
    """Keep the units that matter for the question; leave a mark where others stood.

    Without a hard budget it takes ``keep`` of every long enough segment of the given roles. Under a
    hard budget it takes what fits, from everything that is open.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Literal["select"] = "select"
    keep: float = Field(default=0.5, gt=0, le=1)
    """Share of the open tokens to keep where no hard budget asks for less. What a diff changes, and
    the messages and own frames of a stack trace, stay in any case."""
    min_tokens: int = Field(default=800, ge=0)
    """Segments smaller than this are left whole unless a hard budget asks."""
    roles: tuple[Literal["user", "tool", "assistant"], ...] = ("tool", "user")
    """Whose text may be cut."""
    when: Literal["always", "loop", "talk"] = "always"
    """``loop``: only where the model works with tools; ``talk``: only elsewhere. Under a hard
    budget that is exceeded it always runs."""
    relevance: RungName = "fast"
    """``fast`` goes by words and needs no weights; ``static`` adds the bundled table of vectors,
    ``encoder`` the policy's encoder."""
    pages: PagesKept = "main"
    """``main``: of web pages (stage ``html``) only main text stays, and what the question names;
    ``all``: any line may."""
    code: CodeCut = "lines"
    """How source text is cut. ``lines``: like any other text; ``syntax``: statement by statement,
    signatures kept, so that what is left parses (extra ``code``)."""

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def reach(self) -> Reach | None:
        """Open text; a stage that needs more than words is always asked whether it is there."""
        needs = self.relevance != "fast" or self.code == "syntax"
        return None if needs else Reach()

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 2

    def __call__(self, draft: Draft, resources: Resources, /) -> Draft:
        """Cut what is open to the target.

        Raises:
            ValueError: what the rung needs is not there.
            MissingExtraError: ``code: syntax`` without the extra ``code``.
        """
        check(self.relevance, resources)
        if self.code == "syntax":
            syntax.check()
        budget = draft.window.budget_tokens
        over = 0 if budget is None else draft.tokens - budget
        if over > 0:
            segments = [s for s in draft.open_segments() if s.level <= self.level]
            if size_of(draft, segments) <= over and not draft.window.is_wish:
                segments = draft.open_segments()  # what a digest left is cut last
            return select(draft, segments, size_of(draft, segments) - over, self._manner(resources))
        if self.when != "always" and (self.when == "loop") != in_loop(draft):
            why = f"{ELSEWHERE} {WHERE[self.when]}"
            return draft.edit(self.name, [], [(s.id, why) for s in draft.open_segments()])
        whole = draft.open_segments()
        if whole:
            cut = _cut_before(draft, self.name)
            whole = [s for s in whole if s.id not in cut]
        segments = [s for s in whole if s.role in self.roles and s.tokens >= self.min_tokens]
        notes = [
            (s.id, f"select: under {self.min_tokens} tokens, left whole")
            for s in whole
            if s.tokens < self.min_tokens
        ]
        notes += [
            (s.id, f"select: no text of {s.role} messages is cut (roles)")
            for s in whole
            if s.role not in self.roles
        ]
        if not segments:
            return draft.edit(self.name, [], notes)
        target = int(self.keep * size_of(draft, segments))
        if self.keep >= 1:
            segments = [s for s in segments if self.pages == "main" and is_page_mark(s.text)]
            target = 2 * size_of(draft, segments)  # no limit: only what is beside main text goes
        manner = replace(self._manner(resources), core_stays=True, notes=notes, exact=False)
        return select(draft, segments, target, manner)

    def _manner(self, resources: Resources) -> Manner:
        return Manner(rung=self.relevance, resources=resources, pages=self.pages, code=self.code)


def _cut_before(draft: Draft, stage: str) -> set[str]:
    """Segments of the window that a selection has cut, or another stage as hard but by marks.

    What stands for a blob is no cut of the text around it.
    """
    here = (draft.window.first_turn, draft.window.last_turn)
    steps = list(takewhile(lambda step: step.window == here, reversed(draft.trace)))
    elided = {e.target for step in steps for e in step.edits if e.apart}
    selected = {e.target for step in steps if step.stage == stage for e in step.edits}
    return {s.id for s in draft.new_segments if s.level > 1 and s.id not in elided} | selected
