"""The recalls of one call: what the model asked for, what it was given, and how much more it may.

The exchange is sent behind the caller's messages and is no part of the caller's conversation. An id
is answered from the call's own plan; from the store only if it stands in what was sent, so that no
model can be talked into fetching other people's texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.compress.recall_tool import NAME
from tokenthrift.recall import NO_MORE, NO_ROOM, answer, wish_of
from tokenthrift.route import Attempt
from tokenthrift.tokens import count_request
from tokenthrift.transports import dialect_of
from tokenthrift.transports.reading import is_stream
from tokenthrift.wire import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.client.account import Account
    from tokenthrift.client.call import Call
    from tokenthrift.pipeline import Plan
    from tokenthrift.transports.dialects import AskedCall, Said

LEAST_TOKENS: Final = 50  # less than this is not worth a result
MARGIN_TOKENS: Final = 8  # of a result against the room that was counted without it


class Recalls:
    """What a call may still have back.

    Attributes:
        rounds: how many times the model was answered.
    """

    def __init__(self, account: Account, call: Call) -> None:
        self._account = account
        self._call = call
        self._plan = None if call.plan is None or not call.plan.offer.made else call.plan
        self._dialect = dialect_of(call.wire)
        self._exchange: list[dict[str, Any]] = []
        self._without_tool = self._given_up = False
        self.rounds = 0

    @property
    def offered(self) -> bool:
        """Whether the model may call the tool, and the client has to answer."""
        return self._plan is not None

    @property
    def changes_body(self) -> bool:
        """Whether something else is sent than the plan's own body."""
        return self.rounds > 0 or self._given_up

    @property
    def are_over(self) -> bool:
        """Whether the model has been told that there are no more."""
        return self.rounds > self._account.policy.recall.max_calls

    def asked(self, response: Any) -> Said | None:
        """The recalls that an answer asks for; None where it is the caller's.

        The first call decides: behind a recall the caller's tools wait until the model has seen
        what it asked for; behind a call of the caller's, recalls are taken out of the answer.
        """
        if self._plan is None or response is None or is_stream(response):
            return None
        said = self._dialect.said(response)
        if said is not None and said.calls[0].name == NAME and not self.are_over:
            return said
        self._account.debts.note(self._dialect.debt(response, NAME))
        self._dialect.without_calls(response, NAME)
        return None

    def take(self, said: Said, model: str) -> None:
        """Answer recalls; `body` has them from now on."""
        if self._plan is None:
            return
        self.rounds += 1
        calls = [c for c in said.calls if c.name == NAME]
        texts = ["" for _ in calls]
        before = self._exchange
        self._exchange = [*before, *self._dialect.exchange(said, NAME, texts)]
        room = self._room(self._plan, model)
        for n, call in enumerate(calls):
            most = self._account.policy.recall.max_tokens
            most = most if room is None else min(most, room - MARGIN_TOKENS)
            texts[n] = self._result(self._plan, call, most)
            if room is not None:
                room -= self._plan.count(texts[n])
        self._exchange = [*before, *self._dialect.exchange(said, NAME, texts)]
        hard = self._plan.policy.budget.hard_tokens
        if hard is not None and self._size(self._plan, model) > hard:
            self._exchange, self._without_tool = before, True
            self.rounds = self._account.policy.recall.max_calls + 1

    def give_up(self) -> None:
        """Go on with the caller's body as it came, as the provider will not have the exchange."""
        self._given_up, self._plan = True, None

    def body(self, attempt: Attempt, *, add_usage: bool) -> Mapping[str, Any]:
        """What an attempt sends: the plan's body, with the exchange behind it."""
        if self._given_up:
            return self._call.given_body(add_usage=add_usage)
        body = self._call.body_for(attempt.model, attempt.effort, add_usage=add_usage)
        if self._plan is None or not self.rounds:
            return body
        body = self._dialect.going_on(body, self._exchange)
        own = body["tools"][:-1]  # as the plan sends them
        if self._without_tool:
            rest = {k: v for k, v in body.items() if k != "tools"}
            return {**rest, "tools": own} if own else rest
        over = self.are_over and not own
        return {**body, "tool_choice": self._dialect.no_calls} if over else body

    # ------------------------------------------------------------------------------------ inside
    def _result(self, plan: Plan, call: AskedCall, most_tokens: int) -> str:
        if self.are_over:
            return NO_MORE
        if most_tokens < LEAST_TOKENS:
            return NO_ROOM
        try:
            wish = wish_of(call.arguments)
            texts = self._texts(plan, wish.recall_id)
            return answer(wish, texts, most_tokens, plan.count)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost the caller a call
            self._account.report(error)
            return "Gone: it could not be read. Run it again."

    def _texts(self, plan: Plan, recall_id: str) -> Sequence[str] | None:
        found: Sequence[str] | None = plan.omitted.get(recall_id)
        if found is None and recall_id and _stands_in(plan, recall_id):
            found = self._account.recall_store.get(recall_id)
        return found

    def _room(self, plan: Plan, model: str) -> int | None:
        """Tokens that results may take, by the hard budget and the model's window."""
        limits = []
        if plan.policy.budget.hard_tokens is not None:
            limits.append(plan.policy.budget.hard_tokens)
        card = self._account.catalog.get(model)
        if card is not None and card.context_window_tokens is not None:
            reserve = plan.policy.routing.reserve_output_tokens
            output = plan.request.max_output_tokens
            limits.append(card.context_window_tokens - (reserve if output is None else output))
        return min(limits) - self._size(plan, model) if limits else None

    def _size(self, plan: Plan, model: str) -> int:
        body = self.body(Attempt(model, 1, ""), add_usage=False)
        return count_request(read(body, plan.sent.wire), plan.count)


def _stands_in(plan: Plan, recall_id: str) -> bool:
    return any(recall_id in (p.text or "") for m in plan.sent.messages for p in m.parts)
