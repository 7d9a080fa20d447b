"""Every error tokenthrift raises, as one tree.

    TokenthriftError
    |-- PolicyError              the policy file is wrong
    |-- RequestError             the caller's request cannot be served as asked
    |   |-- WireError            the body is not of the wire format it was given as
    |   |-- BridgeError          it cannot be said in the words of other providers
    |   |-- OverBudgetError      protected text alone exceeds the hard budget
    |   `-- LoopError            the conversation goes round in circles
    |-- RoutingError             no model could be chosen or none answered
    |   |-- NoCandidateError     no candidate meets the hard constraints
    |   `-- ExhaustedError       every attempt of the cascade failed
    |-- EditError                a stage tried an edit the draft forbids
    |-- CatalogError             model cards cannot be read
    |-- LedgerError              the ledger cannot be opened, read or written
    |-- LimitError               a limit on spending has no room for a call; never retried
    |-- LimitStoreError          what counts for limits cannot be opened, read or written
    |-- RecallError              the store of removed text cannot be opened, read or written
    |-- KeyFileError             the file of API keys cannot be opened, read or written
    |-- ServeError               the service cannot be started as asked
    |-- ReplayError              a recording cannot be read
    |-- OutcomeError             outcomes cannot be read, or are not what they should be
    `-- MissingExtraError        an optional dependency is not installed (also an ImportError)

Errors say whose fault they are: the caller's (400), the policy's (500), the provider's (502).
Provider errors of a wrapped SDK are never translated: the caller sees the SDK's own types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = [
    "BridgeError",
    "CatalogError",
    "EditError",
    "ExhaustedError",
    "KeyFileError",
    "LedgerError",
    "LimitError",
    "LimitStoreError",
    "LoopError",
    "MissingExtraError",
    "NoCandidateError",
    "OutcomeError",
    "OverBudgetError",
    "PolicyError",
    "RecallError",
    "ReplayError",
    "RequestError",
    "RoutingError",
    "ServeError",
    "TokenthriftError",
    "WireError",
]


class TokenthriftError(Exception):
    """Root of the tree. ``http_status`` is what a service answers with."""

    http_status: ClassVar[int] = 500


class PolicyError(TokenthriftError):
    """A policy is wrong: says the file, the path inside it, and what to do.

    Attributes:
        source: file name, or ``<policy>`` for a mapping.
        path: dotted path of the offending key, e.g. ``stages.1.floor_tokens``.
        hint: what to do, e.g. the nearest valid word.
    """

    def __init__(self, source: str, path: str, problem: str, hint: str = "") -> None:
        self.source = source
        self.path = path
        self.problem = problem
        self.hint = hint
        where = f"{source}: {path}" if path else source
        super().__init__(f"{where}: {problem}" + (f" ({hint})" if hint else ""))


class RequestError(TokenthriftError):
    """The caller's request cannot be served as asked."""

    http_status: ClassVar[int] = 400


class WireError(RequestError):
    """The body is not what its wire format promises.

    Attributes:
        path: where in the body, e.g. ``messages.3.content``.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class BridgeError(RequestError):
    """A request cannot be said in the words of other providers, so it stays with its own.

    Attributes:
        problem: what of it has no words there.
    """

    http_status: ClassVar[int] = 422

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"it cannot go to another provider: {problem}")


class OverBudgetError(RequestError):
    """Protected text alone exceeds the hard budget.

    Attributes:
        budget_tokens: what the policy or the caller allowed.
        needed_tokens: what is left after everything that may go has gone.
        largest: ``(segment id, tokens)`` of the largest protected pieces, largest first.
    """

    http_status: ClassVar[int] = 413

    def __init__(
        self, budget_tokens: int, needed_tokens: int, largest: Sequence[tuple[str, int]]
    ) -> None:
        self.budget_tokens = budget_tokens
        self.needed_tokens = needed_tokens
        self.largest = tuple(largest)
        pieces = ", ".join(f"{name} ({tokens} tokens)" for name, tokens in self.largest) or "none"
        super().__init__(
            f"{needed_tokens} tokens are needed and {budget_tokens} are allowed; largest protected "
            f"pieces: {pieces}. Raise the budget, shorten them, or set on_over_budget: trim"
        )


class LoopError(RequestError):
    """A conversation goes round in circles, and the policy refuses to pay for more of it.

    Attributes:
        what: ``call`` or ``request``: what comes again.
        times: how many times in a row.
    """

    http_status: ClassVar[int] = 409

    def __init__(self, what: str, times: int, seen: str) -> None:
        self.what = what
        self.times = times
        super().__init__(
            f"the conversation goes round in circles: {seen}. Change what the model sees, or set "
            "routing.loops.then to escalate or off"
        )


class RoutingError(TokenthriftError):
    """No model could be chosen, or none answered."""

    http_status: ClassVar[int] = 502


class NoCandidateError(RoutingError):
    """No candidate meets the hard constraints.

    Attributes:
        verdicts: one line per candidate with the reason it was refused.
    """

    http_status: ClassVar[int] = 422

    def __init__(self, verdicts: Sequence[str]) -> None:
        self.verdicts = tuple(verdicts)
        listed = "; ".join(self.verdicts) or "the policy names no candidate"
        super().__init__(f"no model can serve this request: {listed}")


class ExhaustedError(RoutingError):
    """Every attempt of the cascade failed.

    Attributes:
        attempts: one line per attempt, in order.
    """

    def __init__(self, attempts: Sequence[str]) -> None:
        self.attempts = tuple(attempts)
        super().__init__(f"all {len(self.attempts)} attempts failed: {'; '.join(self.attempts)}")


class EditError(TokenthriftError):
    """A stage tried an edit the draft forbids (unknown, protected or frozen segment)."""


class CatalogError(TokenthriftError):
    """Model cards cannot be read; the message names the file and the entry."""


class LedgerError(TokenthriftError):
    """The ledger cannot be opened, read or written; the message names the file."""


class LimitError(TokenthriftError):
    """A limit has no room for a call. Terminal: trying again at once is refused again.

    Attributes:
        limit: the name of the limit.
        meter: what of it was too much: ``nanos``, ``tokens``, ``input_tokens``, ``output_tokens``
            or ``requests``; empty where the call has no known price.
        resets_at: when there is room for it at the latest, in UTC; None: never, as things are.
        retry_after_s: seconds until then.
    """

    http_status: ClassVar[int] = 429

    def __init__(
        self,
        limit: str,
        problem: str,
        *,
        meter: str = "",
        resets_at: datetime | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.limit = limit
        self.problem = problem
        self.meter = meter
        self.resets_at = resets_at
        self.retry_after_s = retry_after_s
        when = ""
        if resets_at is not None:
            when = f"; there is room at {resets_at.isoformat(timespec='seconds')}"
        elif meter:
            when = "; one call asks for more than the limit allows in all"
        super().__init__(f"limit {limit!r}: {problem}{when}")


class LimitStoreError(TokenthriftError):
    """What counts for limits cannot be opened, read or written; the message names the file."""


class RecallError(TokenthriftError):
    """The store of removed text cannot be opened, read or written; the message names the file."""


class KeyFileError(TokenthriftError):
    """The file of API keys cannot be opened, read or written; the message names the file."""


class ServeError(TokenthriftError):
    """The service cannot be started as asked; the message says what to do."""


class ReplayError(TokenthriftError):
    """A recording cannot be read; the message names file and line."""

    http_status: ClassVar[int] = 400


class OutcomeError(TokenthriftError):
    """Outcomes of calls cannot be read, or are not what they should be; says where, what to do."""

    http_status: ClassVar[int] = 400


class MissingExtraError(TokenthriftError, ImportError):
    """An optional dependency is not installed.

    Attributes:
        extra: the extra to install, as in ``pip install 'tokenthrift[extra]'``.
    """

    def __init__(self, module: str, extra: str) -> None:
        self.extra = extra
        message = f"{module} is not installed; run: pip install 'tokenthrift[{extra}]'"
        super().__init__(message)
        self.msg: Any = message
