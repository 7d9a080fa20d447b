"""`plan`: the whole product on one page. Pure: no clock, network, file or log.

    body -> Request -> Draft -> stages -> Draft -> Request' -> Decision -> Plan

A plan is a free dry run, and what a client sends is exactly what the plan says. The one exception
is an encoder that the policy names: it may have a deadline, and one of ``kind: api`` costs what
`Plan.spent` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import NOT_OFFERED, Offer, compress, join, offered
from tokenthrift.encoders import Spend, collect_spending
from tokenthrift.policy import Policy, load_policy
from tokenthrift.route import choose
from tokenthrift.tokens import counter_for, request_framing
from tokenthrift.types import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenthrift.catalog import Catalog
    from tokenthrift.compress import Memo
    from tokenthrift.draft import Draft, Resources, Step
    from tokenthrift.route import Decision
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
        spent: what encoders cost while it was made.
        offer: whether the model is offered the recall tool, and why (not).
    """

    request: Request
    sent: Request
    draft: Draft
    decision: Decision
    policy: Policy
    count: TokenCounter
    spent: tuple[Spend, ...] = ()
    offer: Offer = NOT_OFFERED

    @property
    def body(self) -> Mapping[str, Any]:
        """The body to send; the caller's own object where nothing changed."""
        return self.sent.body

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
        edits = (edit for step in self.trace for edit in step.edits)
        return {edit.recall_id: edit.omitted for edit in edits if edit.recall_id}

    @property
    def tool_tokens(self) -> int:
        """Tokens that offering the recall tool adds; they are part of ``tokens_after``."""
        if not self.offer.made:
            return 0
        return self.draft.base_tokens - request_framing(self.request, self.count)

    @cached_property
    def tokens_before(self) -> int:
        """Tokens of the request as given."""
        texts = sum(self.count(s.original) for s in self.draft.segments)
        base = self.draft.base_tokens - self.tool_tokens
        return base + texts + sum(f.tokens for f in self.draft.frames)

    @property
    def tokens_after(self) -> int:
        """Tokens of the request as it would be sent."""
        return self.draft.tokens


def plan(
    body: Mapping[str, Any] | Request,
    policy: Policy | str | Path | Mapping[str, Any] = "balanced",
    *,
    catalog: Catalog | None = None,
    resources: Resources | None = None,
    memo: Memo | None = None,
    keep_model: str | None = None,
) -> Plan:
    """Decide what to send for a body, and to which model.

    Args:
        body: a Chat Completions body (or a `Request` read from another wire).
        policy: a policy, its name, its file or its mapping.
        catalog: model cards; the bundled ones (plus the policy's own) if None.
        resources: an encoder of your own; the policy's if None.
        memo: remembers prefixes across calls; makes the next turn cheap, changes no result.
        keep_model: the model of this session's previous call; tool loops stay on it.

    Raises:
        PolicyError: the policy is wrong.
        WireError: the body is malformed.
        OverBudgetError: the hard budget cannot be met.
        NoCandidateError: no model can serve the request.
    """
    policy = load_policy(policy)
    catalog = catalog if catalog is not None else load_catalog(policy.cards_path)
    request = body if isinstance(body, Request) else wire.read(body)
    count = counter_for(request.model)
    reach = {request.model, *(c.model for c in policy.routing.candidates)}
    cards = {name: catalog.get(name) for name in reach}
    asked, offer = offered(request, policy.recall, policy.rules, cards)
    with collect_spending() as spent:
        draft = compress(asked, policy.rules, count, resources or policy.resources, memo)
    sent = join(asked, draft.segments, draft.removed)
    decision = choose(sent, draft.tokens, policy.routing, catalog, keep_model=keep_model)
    if decision.chosen != request.model:
        sent = wire.read(wire.write(sent, {}, model=decision.chosen), sent.wire)
    return Plan(request, sent, draft, decision, policy, count, tuple(spent), offer)
