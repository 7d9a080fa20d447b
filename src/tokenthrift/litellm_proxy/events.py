"""From the events that a proxy logs to the outcome of an attempt: model, usage, times."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.billing import usage_of
from tokenthrift.route import Attempt, Outcome
from tokenthrift.transports import dialect_of
from tokenthrift.types import Usage
from tokenthrift.wire.openai_chat import OpenAIChat
from tokenthrift.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenthrift.litellm_proxy.models import ProxyModels

UNCLEAR: Final = frozenset({"Timeout", "APIConnectionError", "APITimeoutError"})
"""Errors after which nobody knows what was served; others that have a status cost nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a call.

    Attributes:
        said: the keyword arguments of the call, as LiteLLM logs them.
        response: the answer, whole or put together from its chunks; None of a failure.
        begun: when the proxy took the request, by its clock.
        ended: when the attempt was over.
    """

    said: Mapping[str, Any]
    response: Any
    begun: datetime
    ended: datetime

    @property
    def call_id(self) -> str:
        """The proxy's id of the call; all events of one call have the same."""
        return str(self.said.get("litellm_call_id") or "")

    @property
    def group(self) -> str:
        """The name that the proxy's router served it under, which a fallback changes."""
        return str(self._logged.get("model_group") or "")

    def model(self, models: ProxyModels) -> str:
        """The model that was asked, by the name of its card where there is one."""
        priced = self._logged.get("model_map_information") or {}
        said = (priced.get("model_map_key"), self._logged.get("model"), self.said.get("model"))
        names = [str(name) for name in said if name]
        return models.known(names) or (names[0] if names else "")

    def outcome(self, attempt: Attempt, since: datetime, *, cut_off: bool = False) -> Outcome:
        """How the attempt went.

        Args:
            attempt: its model and number.
            since: when the call began.
            cut_off: whether the caller left before the end, and with it the provider's report.
        """
        usage = self._usage(attempt.model)
        if cut_off and usage is not None:
            usage = replace(usage, estimated=True)
        error = self.said.get("exception") if self.response is None else None
        if self.response is None and not isinstance(error, BaseException):
            error = RuntimeError("the proxy says that it failed, and not why")
        sent = _time(self.said.get("api_call_start_time")) or self.begun
        first = _time(self.said.get("completion_start_time"))
        streamed = self.said.get("stream") is True
        return Outcome(
            attempt=attempt,
            response=self.response,
            error=error,
            usage=usage if error is None else failed_usage(error, usage),
            started_ms=_ms(since, sent),
            latency_ms=_ms(sent, self.ended),
            first_chunk_ms=_ms(sent, first) if streamed and first is not None else None,
        )

    @property
    def _logged(self) -> Mapping[str, Any]:
        return self.said.get("standard_logging_object") or {}

    def _usage(self, model: str) -> Usage | None:
        """As reported; counted where there is no report of an answer."""
        raw = (self._logged.get("metadata") or {}).get("usage_object")
        raw = raw or getattr(self.response, "usage", None)
        reported = _plain(raw)
        if not reported and self.response is None:
            return None
        if reported:
            return usage_of(OpenAIChat.name, reported, "", model)
        wire = OpenAIResponses.name if hasattr(self.response, "output") else OpenAIChat.name
        return usage_of(wire, None, dialect_of(wire).text(self.response), model)


def failed_usage(error: BaseException, reported: Usage | None = None) -> Usage | None:
    """What a failed attempt took: as reported, nothing where it was refused, or not known."""
    if reported is not None and reported.input_tokens + reported.output_tokens:
        return replace(reported, estimated=True)
    refused = isinstance(getattr(error, "status_code", None), int)
    return Usage() if refused and type(error).__name__ not in UNCLEAR else None


def _plain(raw: Any) -> dict[str, Any]:
    """A usage object as JSON: LiteLLM's are models that hold models."""
    dump: Callable[[], Any] | None = getattr(raw, "model_dump", None)
    found = json.loads(json.dumps(dump() if dump is not None else raw, default=str))
    return found if isinstance(found, dict) else {}


def _time(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _ms(since: datetime, until: datetime) -> float:
    """The proxy's times have no offset and are of its machine's zone."""
    return max(0.0, (until.timestamp() - since.timestamp()) * 1000)
