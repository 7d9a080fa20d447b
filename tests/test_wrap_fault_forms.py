"""Faults of providers through every form: the SDK's own exceptions, no hang, one record a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sdk_forms import CHAT, FORMS, MESSAGES, STREAMED, WIRES, asked
from tokenthrift.ledger import MemoryLedger

if TYPE_CHECKING:
    from tokenthrift.serve.simulated import SimulatedProvider

MODES = ("sync", "async")
FAULTS = (
    *("429:0.001", "500:0.001", "timeout:2", "broken_stream", "malformed_json", "malformed_body"),
    *("drip:0.001", "wrong_usage:3", "truncate"),
)
BYTES = ("raw", "streaming")
READ_LATER = (("raw", "malformed_body"), ("streaming", "malformed_body"), ("stream", "truncate"))
# What differs between blocking and awaiting is how it is created and read, not how it is parsed.
RECORDED = tuple(
    (form, mode)
    for form in FORMS
    for mode in MODES
    if mode == "sync" or form[1] not in ("parse", "raw")
)


async def outcome(
    provider: SimulatedProvider, form: Any, mode: str, policy: Any, key: str, **how: Any
) -> tuple[Any, Any]:
    """The exception of a call, or what a caller sees of it."""
    try:
        seen = await asked(provider, form, mode, policy, key, **how)
    except Exception as error:  # noqa: BLE001 - it is what is compared
        return type(error), None
    return (seen.kinds, seen.text, seen.finish), seen


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("form", "mode"), RECORDED, ids=str)
async def test_faults_are_the_sdks_own_and_recorded_once(
    provider: SimulatedProvider, api_key: str, form: Any, mode: str, fault: str
) -> None:
    """What a caller gets (or is raised) is what the bare SDK gives; there is exactly one record."""
    options = {"timeout": 0.3 if fault.startswith("timeout") else 60}
    bare_key, ledger = f"{api_key}-bare", MemoryLedger()
    provider.set_faults(bare_key, fault)
    provider.set_faults(api_key, fault)
    plain, _ = await outcome(provider, form, mode, None, bare_key, options=options)
    got, seen = await outcome(
        provider, form, mode, "balanced", api_key, options=options, ledger=ledger
    )
    records = list(ledger.records())
    exchanges = provider.requests(api_key)
    provider.forget(bare_key)
    assert got == plain
    assert len(records) == len(exchanges) == 1
    (record,) = records
    (attempt,) = record.attempts
    true = exchanges[0].usage
    if (form[1], fault) in READ_LATER:  # the call was answered; what reads it fails
        assert isinstance(got, type) == (form[0] != MESSAGES or form[1] in BYTES)
        assert record.status == "ok"
    elif isinstance(got, type):
        assert (record.status, record.error) == ("error", got.__name__)
    else:
        assert record.status == "ok"
        assert seen.receipt is None or seen.receipt.record == record
    if fault[:3].isdecimal():
        assert (attempt.cost_nanos, attempt.estimated) == (0, False)
    elif fault.startswith("timeout"):
        assert (attempt.input_tokens, attempt.estimated) == (0, True)
    elif fault.startswith("wrong_usage"):
        assert attempt.input_tokens == 3 * true.input_tokens
    elif fault == "broken_stream" and form[1] in STREAMED:
        assert attempt.estimated
        assert attempt.input_tokens == true.input_tokens
    elif not isinstance(got, type):
        assert attempt.input_tokens == true.input_tokens
        assert not attempt.estimated


@pytest.mark.parametrize("fault", ["429:0.001", "500:0.001", "timeout:8"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wire", WIRES)
async def test_a_failing_model_is_replaced(
    provider: SimulatedProvider, api_key: str, wire: str, mode: str, fault: str
) -> None:
    """Fallback goes on to the next candidate on every wire, whole and streamed."""
    names = (
        ("claude-haiku-4-5", "claude-opus-4-6") if wire == MESSAGES else ("gpt-4.1-nano", "gpt-4.1")
    )
    candidates = [{"model": name, "covers": "expert"} for name in names]
    policy = {"version": 1, "routing": {"candidates": candidates}}
    for way in ("create", "chunks"):
        provider.set_faults(api_key, f"{fault},times=1")
        options = {"timeout": 1 if fault.startswith("timeout") else 60}
        question = [{"role": "user", "content": "Are you there?"}]
        seen = await asked(
            provider,
            (wire, way),
            mode,
            policy,
            api_key,
            model=names[1],
            messages=question,
            options=options,
        )
        assert seen.text
        attempts = seen.receipt.record.attempts
        assert [(a.model, a.status) for a in attempts] == [(names[0], "error"), (names[1], "ok")]
        provider.forget(api_key)


@pytest.mark.parametrize("wire", WIRES)
async def test_usage_is_asked_for_where_it_must_be(
    provider: SimulatedProvider, api_key: str, wire: str
) -> None:
    """Only the chat wire asks for usage in streams: no other body gets ``stream_options``."""
    for mode in MODES:
        await asked(provider, (wire, "chunks"), mode, "balanced", api_key)
    for entry in provider.requests(api_key):
        assert ("stream_options" in entry.body) == (wire == CHAT)
