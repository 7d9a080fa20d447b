"""How full the limits of a policy are, for a terminal and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from tokenthrift.limits.rules import amount_words
from tokenthrift.report import formats
from tokenthrift.report.tables import FAINT, LOSS, Cell, Column, note, stacked, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from tokenthrift.limits import AccountUse, Amount

ACCOUNTS_SHOWN: Final = 12
"""Of each limit; the fullest."""
ALL: Final = "all calls"


def limits_view(found: Sequence[AccountUse]) -> Group:
    """Two tables: what is used now, and what windows that are over left unused."""
    shown = _shown(found)
    used = table(
        "Limits now",
        (
            Column("limit", number=False),
            Column("who", number=False),
            Column("spent"),
            Column("held"),
            Column("of"),
            Column("used %"),
            Column("resets (UTC)"),
        ),
        [row for account in shown for row in _now(account)],
    )
    hidden = len(found) - len(shown)
    return stacked(
        used,
        note(f"{hidden:,} accounts that are less full are in --json.") if hidden else None,
        _expired(shown),
    )


def limits_json(found: Sequence[AccountUse]) -> list[dict[str, Any]]:
    """Every account with all its figures; money in nano-dollars, times in UTC."""
    return [
        {
            "limit": account.rule.name,
            "pool": account.rule.pool,
            "window": account.rule.period,
            "owner": dict(account.owner),
            "used_share": account.share,
            "resets_at": account.resets_at.isoformat(),
            "meters": {
                meter: {
                    "cap": cap,
                    "spent": getattr(account.spent, meter),
                    "held": getattr(account.held, meter),
                    "left": account.left(meter, cap),
                    "expired_unused_share": account.expired_share(meter, cap),
                }
                for meter, cap in account.rule.caps.set()
            },
            "past": [
                {
                    "begins_at": window.begins_at.isoformat(),
                    "ends_at": window.ends_at.isoformat(),
                    "spent": _amounts(window.spent, account),
                    "unused": {m: window.unused(m, cap) for m, cap in account.rule.caps.set()},
                }
                for window in account.past
            ],
        }
        for account in found
    ]


def _shown(found: Sequence[AccountUse]) -> list[AccountUse]:
    shown: list[AccountUse] = []
    counts: dict[str, int] = {}
    for account in found:
        counts[account.rule.name] = counts.get(account.rule.name, 0) + 1
        if counts[account.rule.name] <= ACCOUNTS_SHOWN:
            shown.append(account)
    return shown


def _now(account: AccountUse) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for meter, cap in account.rule.caps.set():
        spent, held = getattr(account.spent, meter), getattr(account.held, meter)
        share = (spent + held) / cap if cap else 1.0
        nearly = any(share >= step for step in account.rule.taper)
        rows.append(
            [
                formats.printable(account.rule.name) if not rows else "",
                _owner(account) if not rows else "",
                _number(meter, spent),
                _number(meter, held),
                amount_words(meter, cap),
                Text(formats.share(share, 1), style=LOSS if nearly else ""),
                account.resets_at.strftime("%Y-%m-%d %H:%M") if not rows else "",
            ]
        )
    return rows


def _expired(shown: Sequence[AccountUse]) -> Group | None:
    rows: list[list[Cell]] = []
    for account in shown:
        for meter, cap in account.rule.caps.set():
            share = account.expired_share(meter, cap)
            if share is None:
                continue
            unused = sum(window.unused(meter, cap) for window in account.past)
            rows.append(
                [
                    formats.printable(account.rule.name),
                    _owner(account),
                    formats.count(len(account.past)),
                    _number(meter, unused) if meter == "nanos" else amount_words(meter, unused),
                    formats.share(share, 1),
                ]
            )
    if not rows:
        return None
    columns = (
        Column("limit", number=False),
        Column("who", number=False),
        Column("windows"),
        Column("unused"),
        Column("unused %"),
    )
    made = table("Expired unused, in windows that are over", columns, rows)
    return stacked(made, note("Where the amount was paid for in advance, this was paid in vain."))


def _owner(account: AccountUse) -> Cell:
    if not account.owner:
        return Text(ALL, style=FAINT)
    said = ", ".join(f"{word} {value or 'unknown'}" for word, value in account.owner.items())
    return formats.printable(said)


def _number(meter: str, amount: int) -> str:
    return formats.dollars(amount) if meter == "nanos" else formats.count(amount)


def _amounts(amount: Amount, account: AccountUse) -> dict[str, int]:
    return {meter: getattr(amount, meter) for meter, _ in account.rule.caps.set()}
