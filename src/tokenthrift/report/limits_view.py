"""How full the limits of a policy are, for a terminal and for machines."""

from __future__ import annotations

from dataclasses import dataclass
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
PREPAID: Final = "Where the amount was paid for in advance, this was paid in vain."


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One cap of one account, in words.

    Attributes:
        first: whether it is the first of its account.
        who: whose account it is; empty where all calls share one.
        share: of the cap, spent and held together.
        nearly: whether a step of the limit's taper is reached.
        windows: how many windows that are over are known; ``unused`` of the cap in all of them,
            ``unused_share`` on average.
    """

    first: bool
    limit: str
    who: str
    spent: str
    held: str
    cap: str
    share: float
    nearly: bool
    resets: str
    windows: int
    unused: str
    unused_share: float | None


def limit_lines(found: Sequence[AccountUse]) -> list[LimitLine]:
    """The caps of the fullest accounts of each limit."""
    return [line for account in _shown(found) for line in _lines(account)]


def limits_view(found: Sequence[AccountUse]) -> Group:
    """Two tables: what is used now, and what windows that are over left unused."""
    lines = limit_lines(found)
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
        [_now(line) for line in lines],
    )
    hidden = len(found) - len(_shown(found))
    return stacked(
        used,
        note(f"{hidden:,} accounts that are less full are in --json.") if hidden else None,
        _expired(lines),
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


def _lines(account: AccountUse) -> list[LimitLine]:
    lines: list[LimitLine] = []
    for meter, cap in account.rule.caps.set():
        spent, held = getattr(account.spent, meter), getattr(account.held, meter)
        share = (spent + held) / cap if cap else 1.0
        unused = sum(window.unused(meter, cap) for window in account.past)
        lines.append(
            LimitLine(
                first=not lines,
                limit=account.rule.name,
                who=_owner(account),
                spent=_number(meter, spent),
                held=_number(meter, held),
                cap=amount_words(meter, cap),
                share=share,
                nearly=any(share >= step for step in account.rule.taper),
                resets=account.resets_at.strftime("%Y-%m-%d %H:%M"),
                windows=len(account.past),
                unused=_number(meter, unused) if meter == "nanos" else amount_words(meter, unused),
                unused_share=account.expired_share(meter, cap),
            )
        )
    return lines


def _now(line: LimitLine) -> list[Cell]:
    return [
        formats.printable(line.limit) if line.first else "",
        _who(line) if line.first else "",
        line.spent,
        line.held,
        line.cap,
        Text(formats.share(line.share, 1), style=LOSS if line.nearly else ""),
        line.resets if line.first else "",
    ]


def _expired(lines: Sequence[LimitLine]) -> Group | None:
    rows: list[list[Cell]] = [
        [
            formats.printable(line.limit),
            _who(line),
            formats.count(line.windows),
            line.unused,
            formats.share(line.unused_share, 1),
        ]
        for line in lines
        if line.unused_share is not None
    ]
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
    return stacked(made, note(PREPAID))


def _who(line: LimitLine) -> Cell:
    return formats.printable(line.who) if line.who else Text(ALL, style=FAINT)


def _owner(account: AccountUse) -> str:
    return ", ".join(f"{word} {value or 'unknown'}" for word, value in account.owner.items())


def _number(meter: str, amount: int) -> str:
    return formats.dollars(amount) if meter == "nanos" else formats.count(amount)


def _amounts(amount: Amount, account: AccountUse) -> dict[str, int]:
    return {meter: getattr(amount, meter) for meter, _ in account.rule.caps.set()}
