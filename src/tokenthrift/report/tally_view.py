"""A replay's tally for a terminal: tokens, money, latency, stages, kinds, and why text stayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report.summary import totals_json
from tokenthrift.report.tables import (
    BEFORE_AFTER,
    FAINT,
    LOSS,
    Cell,
    Column,
    before_after,
    latency_line,
    money_before_after,
    note,
    signed,
    split_table,
    stacked,
    table,
)
from tokenthrift.report.tally import dumped, ranked

if TYPE_CHECKING:
    from rich.console import Group

    from tokenthrift.report.tally import Tally

REASONS_SHOWN: Final = 8
ROUTED: Final = " -> "  # between the models of a call that went elsewhere
CACHE_CAVEAT: Final = (
    "Estimated: our token counts, recorded answers, list prices. The provider's prompt cache is "
    "simulated for both sides, cold at the start of each recording, marked after each message."
)


def tally_view(tally: Tally) -> Group:
    """The tally as tables."""
    totals = tally.totals
    places = formats.decimals_for([totals.baseline_nanos, totals.actual_nanos])
    tokens = table(
        "Input tokens",
        (Column("", number=False), *BEFORE_AFTER),
        [
            before_after("sent", totals.counted_baseline_tokens, totals.counted_sent_tokens),
            before_after("as billed *", tally.billed_before_tokens, tally.billed_after_tokens),
        ],
    )
    money = table(
        "Money (estimated)",
        (Column("", number=False), *BEFORE_AFTER),
        [money_before_after("bill $", totals.baseline_nanos, totals.actual_nanos, places)],
    )
    return stacked(
        _head(tally),
        tokens,
        note("* cached tokens weighed by their price, in units of the plain input price"),
        money,
        split_table(totals),
        note(CACHE_CAVEAT),
        _caveats(tally),
        _reported(tally),
        latency_line(tally.latencies),
        _stages(tally),
        _kinds(tally),
        _kept(tally),
        _models(tally),
        _errors(tally),
    )


def tally_json(tally: Tally) -> dict[str, Any]:
    """The tally as plain data with named columns; sums are exact, money in nano-dollars."""
    data = dumped(tally)
    data["totals"] = totals_json(tally.totals)
    data["requests"] = tally.requests
    columns = {
        "stages": ("runs", "edits", "saved_tokens", "errors"),
        "kinds": ("segments", "tokens_before", "tokens_after"),
        "kept": ("segments", "tokens"),
        "models": ("requests",),
        "unread": ("lines",),
        "failed": ("requests",),
        "stage_errors": ("times",),
    }
    for name, heads in columns.items():
        rows = getattr(tally, name).items()
        data[name] = {key: dict(zip(heads, row, strict=True)) for key, row in rows}
    data["latencies"] = {
        "calls": tally.latencies.calls,
        "p50_ms": tally.latencies.percentile_ms(50),
        "p99_ms": tally.latencies.percentile_ms(99),
        "most_ms": tally.latencies.most_ms,
    }
    return data


def _head(tally: Tally) -> Text:
    clean = True
    text = Text(f"{tally.conversations:,} recordings, {tally.requests:,} requests")
    for number, what in (
        (tally.unread_lines, "lines not read"),
        (tally.failed_requests, "requests not planned"),
        (tally.totals.unpriced_calls, "unpriced"),
        (sum(row[0] for row in tally.stage_errors.values()), "stage errors"),
    ):
        if number:
            text.append(f", {number:,} {what}", style=LOSS)
            clean = False
    if clean:
        text.append("; all read, planned and priced")
    if tally.epochs:
        text.append(f", {tally.epochs:,} compactions")
    return text


def _caveats(tally: Tally) -> Text | None:
    said = []
    if tally.totals.unpriced_calls:
        said.append(
            f"{tally.totals.unpriced_calls:,} requests are {formats.UNPRICED} (no known price) and "
            "not in the money figures."
        )
    if tally.unanswered:
        said.append(
            f"The answers to {tally.unanswered:,} requests were not recorded; those are priced for "
            "their input only."
        )
    if any(ROUTED in name for name in tally.models):
        said.append(
            "Where another model is chosen, its answer is taken to be the recorded one: a replay "
            "says what it costs, not how good it is."
        )
    return note(" ".join(said)) if said else None


def _reported(tally: Tally) -> Text | None:
    """What the log itself says, beside our counts."""
    said = []
    if tally.reported_calls:
        said.append(
            f"The log says ${formats.usd(tally.reported_cost_nanos)} were paid for "
            f"{tally.reported_calls:,} of these requests."
        )
    if tally.reported_input_tokens:
        said.append(
            f"Providers counted {tally.reported_input_tokens:,} input tokens where we count "
            f"{tally.recounted_input_tokens:,}."
        )
    return Text(" ".join(said)) if said else None


def _stages(tally: Tally) -> Group | None:
    if not tally.stages:
        return None
    whole = tally.totals.counted_baseline_tokens
    rows: list[list[Cell]] = [
        [
            name,
            formats.count(edits),
            signed(formats.count(saved), saved),
            signed(formats.share(saved, whole), saved),
            Text(formats.count(errors), style=LOSS if errors else ""),
        ]
        for name, (_runs, edits, saved, errors) in tally.stages.items()
    ]
    heads = ("edits", "tokens saved", "of input %", "errors")
    return table("Stages", (Column("stage", number=False), *map(Column, heads)), rows)


def _kinds(tally: Tally) -> Group | None:
    if not tally.kinds:
        return None
    rows = [
        before_after(name, before, after)
        for name, (_segments, before, after) in ranked(tally.kinds, column=1)
    ]
    return table("Kinds of text (tokens)", (Column("kind", number=False), *BEFORE_AFTER), rows)


def _kept(tally: Tally) -> Group | None:
    if not tally.kept:
        return None
    rows = ranked(tally.kept, column=1)
    whole = sum(row[1] for _, row in rows)
    shown: list[list[Cell]] = [
        [reason, formats.count(n), formats.count(tokens), formats.share(tokens, whole)]
        for reason, (n, tokens) in rows[:REASONS_SHOWN]
    ]
    more = len(rows) - len(shown)
    if more > 0:
        rest = rows[REASONS_SHOWN:]
        n, tokens = sum(r[0] for _, r in rest), sum(r[1] for _, r in rest)
        label = Text(f"{more} other reasons", style=FAINT)
        shown.append([label, formats.count(n), formats.count(tokens), formats.share(tokens, whole)])
    heads = ("texts", "tokens", "share %")
    return table(
        "Why text stayed as it was (each text once)",
        (Column("reason", number=False), *map(Column, heads)),
        shown,
    )


def _models(tally: Tally) -> Group | None:
    if len(tally.models) < 2 and not any(ROUTED in name for name in tally.models):
        return None
    rows = [
        [formats.printable(name), formats.count(n), formats.share(n, tally.requests)]
        for name, (n,) in ranked(tally.models)
    ]
    return table(
        "Models", (Column("asked -> sent to", number=False), Column("requests"), Column("%")), rows
    )


def _errors(tally: Tally) -> Group | None:
    rows = [
        [kind, formats.printable(name), formats.count(row[0])]
        for kind, found in (
            ("not read", tally.unread),
            ("not planned", tally.failed),
            ("stage error", tally.stage_errors),
        )
        for name, row in ranked(found)
    ]
    columns = (Column("what", number=False), Column("why", number=False), Column("times"))
    return table("Problems", columns, rows) if rows else None
