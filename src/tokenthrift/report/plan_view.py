"""One explained plan for a terminal, and what was kept and dropped as a diff."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report.matching import pieces_of
from tokenthrift.report.tables import (
    BEFORE_AFTER,
    FAINT,
    GAIN,
    LOSS,
    Cell,
    Column,
    money_before_after,
    note,
    signed,
    stacked,
    table,
)
from tokenthrift.route import NUMBERS, SIGNAL_COLUMNS, VERDICT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

    from tokenthrift.pipeline import Plan
    from tokenthrift.report.explain import Explanation, SegmentLine, UnitLine

CONTEXT_LINES: Final = 1
KEPT_SHOWN: Final = 4  # units of a text whose reasons are shown
DROPPED_SHOWN: Final = 2
UNIT_CHARACTERS: Final = 90
STATE_STYLES: Final = {"kept": "", "cut": GAIN, "removed": GAIN}


def plan_view(explained: Explanation) -> Group:
    """An explanation as tables."""
    return stacked(
        _head(explained),
        _segments(explained),
        _tools(explained),
        _stages(explained),
        _money(explained),
        _verdicts(explained),
        _signals(explained),
    )


def diff_view(plan: Plan) -> Group:
    """What was kept (plain), dropped (red) and written in its place (green), by segment."""
    parts = []
    for segment in plan.draft.segments:
        if segment.text == segment.original:
            continue
        head = Text(f"{segment.id} {segment.role} {segment.kind}", style="bold")
        head.append(f"  {plan.count(segment.original):,} -> {segment.tokens:,} tokens", style=FAINT)
        parts.append(Text("\n").join([head, *_diff(segment.original, segment.text)]))
    return stacked(*parts) if parts else stacked(Text("Nothing was changed."))


def why_view(explained: Explanation) -> Group:
    """Of every text that was cut, its best kept and best dropped units, with their reasons."""
    parts = []
    for line in explained.segments:
        if not line.units:
            continue
        best = sorted(line.units, key=lambda u: -u.worth)
        shown = [u for u in best if u.kept][:KEPT_SHOWN]
        shown += [u for u in best if not u.kept and u.text.strip()][:DROPPED_SHOWN]
        head = Text(f"{line.id} {line.role} {line.kind}", style="bold")
        parts.append(Text("\n").join([head, *map(_unit, shown)]))
    return stacked(*parts) if parts else stacked(Text("No text was cut by relevance."))


def _unit(unit: UnitLine) -> Text:
    style = "" if unit.kept else LOSS
    sign = "+" if unit.kept else "-"
    words = formats.printable(" ".join(unit.text.split()))
    short = words if len(words) <= UNIT_CHARACTERS else words[: UNIT_CHARACTERS - 1] + "…"
    line = Text(f"{sign} {unit.worth:.2f} {short}", style=style)
    reasons = formats.printable("; ".join(unit.reasons)) or "nothing in it stands out"
    return line.append(f"\n       {reasons}", style=FAINT)


def _head(explained: Explanation) -> Group:
    saved = explained.tokens_before - explained.tokens_after
    counted = f"counted by {explained.counter}"
    if explained.counter_error:
        counted += f" (an estimate, within {explained.counter_error:.0%})"
    line = Text(f"{explained.tokens_before:,} -> {explained.tokens_after:,} input tokens, ")
    line.append_text(signed(f"{formats.share(saved, explained.tokens_before)} % saved", saved))
    line.append(f", {counted}", style=FAINT)
    policy = f"policy {explained.policy} ({explained.policy_digest})"
    parts = [line, Text(f"{policy}; model {formats.printable(explained.choice)}", style=FAINT)]
    parts += [Text(formats.printable(words)) for words in explained.epochs]
    if explained.secrets:
        parts.append(Text(f"secrets: {formats.printable(', '.join(explained.secrets))}"))
    if explained.recall:
        size = explained.recall_tool_tokens
        words = f"offered, {size} tokens" if size else f"not offered: {explained.recall}"
        parts.append(Text(f"recall tool {formats.printable(words)}", style=FAINT))
    return Text("\n").join(parts)  # type: ignore[return-value]  # a renderable like any other


def _segments(explained: Explanation) -> Group:
    rows: list[list[Cell]] = [
        [
            line.id,
            line.role,
            line.kind,
            str(line.level),
            formats.count(line.tokens_before),
            signed(formats.count(line.tokens_after), line.tokens_before - line.tokens_after),
            Text(_why(line), style=STATE_STYLES[line.state]),
        ]
        for line in explained.segments
    ]
    rows.append(
        [
            formats.NONE,
            "",
            "",
            "",
            formats.count(explained.framing_tokens_before),
            formats.count(explained.framing_tokens_after),
            Text("framing, tool schemas, tool calls, media", style=FAINT),
        ]
    )
    columns = (
        Column("segment", number=False),
        Column("role", number=False),
        Column("kind", number=False),
        Column("level"),
        Column("tokens"),
        Column("after"),
        Column("what and why", number=False),
    )
    return table("Segments", columns, rows)


def _tools(explained: Explanation) -> Group | None:
    """The tools that were changed or left out, and the sum of all of them."""
    if not explained.tools:
        return None
    rows: list[list[Cell]] = [
        [
            formats.printable(line.name) or formats.NONE,
            formats.count(line.tokens_before),
            signed(formats.count(line.tokens_after), line.tokens_before - line.tokens_after),
            Text(formats.printable(f"{line.state}: {line.reason}"), style=GAIN),
        ]
        for line in explained.tools
        if line.state != "kept"
    ]
    before = sum(line.tokens_before for line in explained.tools)
    after = sum(line.tokens_after for line in explained.tools)
    kept = sum(line.state == "kept" for line in explained.tools)
    said = "; ".join(filter(None, (f"{kept:,} as given" if kept else "", explained.tools_note)))
    rows.append(
        [
            f"all {len(explained.tools):,}",
            formats.count(before),
            signed(formats.count(after), before - after),
            Text(formats.printable(said), style=FAINT),
        ]
    )
    columns = (
        Column("tool", number=False),
        Column("tokens"),
        Column("after"),
        Column("what and why", number=False),
    )
    return table("Tools", columns, rows)


def _why(line: SegmentLine) -> str:
    why = formats.printable("; ".join(line.reasons))
    if line.units_dropped:
        why += f" ({line.units_dropped:,} of {line.units_total:,} units left out)"
    return f"{line.state}: {why}" if why else line.state


def _stages(explained: Explanation) -> Group | None:
    if not explained.stages:
        return None
    rows: list[list[Cell]] = [
        [
            line.stage,
            formats.count(line.runs),
            formats.count(line.edits),
            signed(formats.count(line.tokens_saved), line.tokens_saved),
            signed(formats.share(line.tokens_saved, explained.tokens_before), line.tokens_saved),
            Text(formats.printable("; ".join(line.errors)), style=LOSS),
        ]
        for line in explained.stages
    ]
    columns = [
        Column("stage", number=False),
        *map(Column, ("turns", "edits", "tokens saved", "of input %")),
        Column("errors", number=False),
    ]
    if not any(line.errors for line in explained.stages):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return table("Stages", columns, rows)


def _money(explained: Explanation) -> Group:
    savings = explained.savings
    title = "Input bill of this one request, nothing cached (estimated)"
    if savings.baseline is None or savings.actual is None:
        said = f"{explained.baseline} or {explained.chosen} has no known price"
        return stacked(Text(title, style="bold"), note(f"{formats.UNPRICED}: {said}"))
    places = formats.decimals_for([savings.baseline.nanos, savings.actual.nanos])
    row = money_before_after("$", savings.baseline.nanos, savings.actual.nanos, places)
    parts = [
        f"{name} {formats.usd(amount.nanos, places)} $"
        for name, amount in (("compression", savings.compression), ("routing", savings.routing))
        if amount is not None
    ]
    return stacked(
        table(title, (Column("", number=False), *BEFORE_AFTER), [row]),
        note(f"{', '.join(parts)}; prices: {explained.prices}"),
    )


def _verdicts(explained: Explanation) -> Group | None:
    if len(explained.verdicts) < 2:
        return None
    columns = [Column(head, number=head in NUMBERS) for head in VERDICT_COLUMNS[:-1]]
    rows = [[formats.printable(cell) for cell in row] for row in explained.verdicts]
    reasons = "\n".join(f"{row[0]}: {row[-1]}" for row in rows)
    return stacked(table("Actions", columns, [row[:-1] for row in rows]), note(reasons))


def _signals(explained: Explanation) -> Group | None:
    if len(explained.verdicts) < 2 or not explained.signals:
        return None
    columns = [Column(head, number=head in ("adds", "at most")) for head in SIGNAL_COLUMNS]
    rows = [[formats.printable(cell) for cell in row] for row in explained.signals]
    return table("What the request asks, by signal", columns, rows)


def _diff(before: str, after: str) -> Iterator[Text]:
    old, new = ([p.rstrip() for p in pieces_of(text)] for text in (before, after))
    lines = difflib.unified_diff(old, new, n=CONTEXT_LINES, lineterm="")
    for number, line in enumerate(lines):
        if number < 2:  # the two lines that name files
            continue
        style = {"-": LOSS, "+": GAIN, "@": FAINT}.get(line[:1], "")
        yield Text(formats.printable(line), style=style)
