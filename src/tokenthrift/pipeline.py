"""`plan`: the whole product on one page. Pure: no clock, network, file or log.

    body -> Request -> secrets, tools -> Draft -> stages -> Draft -> Request' -> Decision -> Plan

A plan is a free dry run, and what a client sends is exactly what the plan says. The one exception
is an encoder that the policy names: it may have a deadline, and one of ``kind: api`` costs what
`Plan.spent` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import (
    NOT_OFFERED,
    CachePrices,
    Offer,
    Redacted,
    fit_tools,
    offered,
    redact,
)
from tokenthrift.encoders import Spend, collect_spending
from tokenthrift.levels import Levels
from tokenthrift.policy import Policy, load_policy
from tokenthrift.route import NEW_SESSION, choose
from tokenthrift.route.exploring import explored
from tokenthrift.tokens import counter_for, request_framing, tool_prompt_tokens
from tokenthrift.types import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenthrift.catalog import Catalog, ModelCard
    from tokenthrift.compress import Memo
    from tokenthrift.draft import Draft, Resources, Step
    from tokenthrift.route import Decision, Effort, Forecaster, Session
    from tokenthrift.types import TokenCounter


@dataclass(frozen=True)
class Plan:
    """What would be sent, to which model, and why; nothing has been sent yet.

    Attributes:
        request: as the caller gave it.
        sent: as it would be sent.
        draft: the segments and the trace that led from one to the other.
        decision: the model, with a verdict on every candidate.
        policy: the policy that was applied.
        count: the counter that all token figures are from.
        redacted: the request without secrets, which is all that stages, stores and models see.
        spent: what encoders cost while it was made.
        offer: whether the model is offered the recall tool, and why (not).
        compressed: as compression left it, before model and effort were set.
    """

    request: Request
    sent: Request
    draft: Draft
    decision: Decision
    policy: Policy
    count: TokenCounter
    redacted: Redacted
    spent: tuple[Spend, ...] = ()
    offer: Offer = NOT_OFFERED
    compressed: Request | None = None

    @property
    def body(self) -> Mapping[str, Any]:
        """The body to send; the caller's own object where nothing changed."""
        return self.sent.body

    def body_for(self, model: str, effort: Effort | None = None) -> Mapping[str, Any]:
        """The body that asks another model, or with another effort, with the same context."""
        if (model, effort) == (self.decision.chosen, self.decision.effort):
            return self.body
        plain = self.sent if self.compressed is None else self.compressed
        return wire.write(plain, {}, model=model, effort=None if effort is None else str(effort))

    @property
    def cleared(self) -> Mapping[str, Any]:
        """The caller's body as far as it may leave the house: as given, without secrets."""
        return self.redacted.request.body

    @property
    def secrets(self) -> Mapping[str, str]:
        """What each placeholder in what is sent stands for; answers are to have it back."""
        return self.redacted.secrets

    @property
    def model(self) -> str:
        """The model it goes to."""
        return self.decision.chosen

    @property
    def trace(self) -> tuple[Step, ...]:
        """What each stage did, in order."""
        return tuple(self.draft.trace)

    @property
    def epoch(self) -> int:
        """How many compactions the conversation has been through."""
        return self.draft.window.epoch

    @property
    def omitted(self) -> Mapping[str, tuple[str, ...]]:
        """The texts that were left out, in order, by the id that stands in their marks."""
        edits = [edit for step in self.trace for edit in step.edits]
        apart = {key: (text,) for edit in edits for key, text in edit.apart}
        return apart | {edit.recall_id: edit.omitted for edit in edits if edit.recall_id}

    @property
    def tool_tokens(self) -> int:
        """Tokens that offering the recall tool adds; they are part of ``tokens_after``."""
        if not self.offer.made:
            return 0
        alone = len(self.sent.tools_text) == 1
        prompt = tool_prompt_tokens(self.sent) if alone else 0
        return prompt + self.count(self.sent.tools_text[-1])

    @cached_property
    def framing_tokens_before(self) -> int:
        """Tokens of what is no segment, as given: framing, tool schemas, tool calls, media."""
        frames = sum(f.tokens for f in self.draft.frames)
        return request_framing(self.redacted.request, self.count) + frames

    @cached_property
    def tokens_before(self) -> int:
        """Tokens of the request as given."""
        texts = sum(
            s.tokens if s.text is s.original else self.count(s.original)
            for s in self.draft.segments
        )
        secrets = sum(s.tokens_before - s.tokens_after for s in self.redacted.steps)
        return self.framing_tokens_before + texts + secrets

    @property
    def framing_tokens_after(self) -> int:
        """The same as it would be sent."""
        frames = sum(f.tokens for f in self.draft.frames if not f.removed)
        return self.draft.base_tokens + frames

    @property
    def tokens_after(self) -> int:
        """Tokens of the request as it would be sent."""
        return self.draft.tokens


def plan(  # noqa: PLR0913 - each of them is passed in by somebody else
    body: Mapping[str, Any] | Request,
    policy: Policy | str | Path | Mapping[str, Any] = "balanced",
    *,
    catalog: Catalog | None = None,
    resources: Resources | None = None,
    memo: Memo | None = None,
    session: Session = NEW_SESSION,
    forecaster: Forecaster | None = None,
    call_id: str = "",
) -> Plan:
    """Decide what to send for a body, and to which model.

    Args:
        body: of a wire that its form tells (see `tokenthrift.wire.detect`), or a `Request`.
        policy: a policy, its name, its file or its mapping.
        catalog: model cards; the bundled ones (plus the policy's own) if None.
        resources: an encoder of your own; the policy's if None.
        memo: remembers prefixes across calls; makes the next turn cheap, changes no result.
        session: what is known of the conversation's past; without it every cache is cold.
        forecaster: what is known of outcomes; None takes the abilities that the policy names, and
            without any leaves adequacy to what is stated.
        call_id: what exploration is drawn by, where the policy explores; without it, it does not.

    Raises:
        PolicyError: the policy is wrong.
        WireError: the body is malformed.
        OverBudgetError: the hard budget cannot be met.
        NoCandidateError: no model can serve the request.
        LoopError: the conversation goes round in circles, and the policy says ``error``.
    """
    policy = load_policy(policy)
    catalog = catalog if catalog is not None else load_catalog(policy.cards_path)
    request = body if isinstance(body, Request) else wire.read(body, wire.detect(body))
    count = counter_for(request.model)
    reach = {request.model, *(c.model for c in policy.routing.candidates)}
    cards = {name: catalog.get(name) for name in reach}
    rules = policy.rules
    redacted = redact(request, policy.redact, count)
    fitted, steps = fit_tools(
        redacted.request, policy.tools, count, raise_errors=rules.raise_stage_errors
    )
    asked, offer = offered(fitted, policy.recall, rules, cards)
    with collect_spending() as spent:
        if policy.compaction.priced:
            rules = replace(rules, cache=_cache_prices(cards[request.model]))
        levels = Levels.of(policy, session, asked)
        made = levels.compressed(asked, rules, count, resources or policy.resources, memo)
    first = made[0]
    held = "" if policy.routing.pinned else wire.held(first.sent)
    decision = choose(
        first.sent,
        first.tokens,
        # What only one provider can serve stays with the caller's model.
        policy.routing.model_copy(update={"candidates": ()}) if held else policy.routing,
        catalog,
        session=session,
        forecaster=forecaster or policy.forecaster,
        shapes=[m.shape for m in made] if levels.are_listed else (),
    )
    if held:
        decision = replace(decision, reason=f"{decision.reason}; {held}")
    if call_id:
        share = policy.routing.explore
        decision = explored(decision, first.sent, session, share=share, call_id=call_id)
    chosen = next(m for m in made if m.level == decision.level)
    draft = chosen.draft
    if redacted.steps or steps:
        draft = replace(draft, trace=(*redacted.steps, *steps, *draft.trace))
    sent, effort = chosen.sent, None if decision.effort is None else str(decision.effort)
    if decision.chosen != request.model or effort is not None:
        written = wire.write(sent, {}, model=decision.chosen, effort=effort)
        sent = wire.read(written, sent.wire)
    return Plan(
        request,
        sent,
        draft,
        decision,
        policy,
        count,
        redacted,
        tuple(spent),
        offer,
        compressed=chosen.sent,
    )


def _cache_prices(card: ModelCard | None) -> CachePrices | None:
    """What a model's prompt cache costs relative to its input; None where that is not known."""
    prices = card.prices if card else None
    if prices is None or not prices.input_usd_per_mtok:
        return None
    given = prices.input_usd_per_mtok
    read, write = prices.cache_read_usd_per_mtok, prices.cache_write_usd_per_mtok
    if card is None or card.cache is None or read is None:
        return CachePrices()
    return CachePrices(float(read / given), float((given if write is None else write) / given))
