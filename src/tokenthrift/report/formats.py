"""Numbers as people read them: thousands apart, money with sensible digits, no false zeros.

Exact values are for JSON; these are for tables. An unknown amount is a word, never a zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

UNPRICED: Final = "unpriced"
NONE: Final = "-"
SIGNIFICANT_DIGITS: Final = 4
LEAST_DECIMALS: Final = 2
MOST_DECIMALS: Final = 9  # nano-dollars
CUT: Final = "..."

# Controls other than tab and line feed, marks that turn the text behind them around (Unicode
# technical report 36), and halves of surrogate pairs, which no file can hold.
_CONTROLS: Final = (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))
_DIRECTIONS: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN: Final = {
    code: ascii(chr(code))[1:-1] for code in (*_CONTROLS, *_DIRECTIONS, *range(0xD800, 0xE000))
}


def count(number: int) -> str:
    """A whole number: ``1,234,567``."""
    return f"{number:,}"


def share(part: float, whole: float) -> str:
    """A share in per cent without its sign: ``39.2``; a dash where there is no whole."""
    if not whole:
        return NONE
    text = f"{100 * part / whole:.1f}"
    return "0.0" if text == "-0.0" else text


def decimals_for(amounts: Iterable[int | None]) -> int:
    """How many decimals a column of nano-dollars needs: four digits of its largest amount."""
    largest = max((abs(n) for n in amounts if n is not None), default=0)
    if largest == 0:
        return LEAST_DECIMALS
    magnitude = Decimal(largest).scaleb(-9).adjusted()
    return min(MOST_DECIMALS, max(LEAST_DECIMALS, SIGNIFICANT_DIGITS - 1 - magnitude))


def usd(nanos: int | None, decimals: int | None = None) -> str:
    """An amount in dollars without its sign: ``0.01230``.

    Args:
        nanos: nano-dollars; None is `UNPRICED`.
        decimals: as the column has them; None takes what this amount needs.
    """
    if nanos is None:
        return UNPRICED
    places = decimals_for([nanos]) if decimals is None else decimals
    step = Decimal(1).scaleb(-places)
    amount = Decimal(nanos).scaleb(-9).quantize(step, rounding=ROUND_HALF_EVEN)
    return f"{amount + 0:,.{places}f}"  # + 0: no minus before a rounded zero


def rate(value: float | None) -> str:
    """So many for something else: ``12.3``, ``1,234``; a dash where there is nothing to divide."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.1f}" if value >= 1 else f"{value:.2g}"


def dollars(nanos: int | None, decimals: int | None = None, *, sign: bool = False) -> str:
    """An amount with its sign before the dollar's: ``$12.30``, ``-$0.0500``, ``+$1.00``."""
    if nanos is None:
        return UNPRICED
    text = usd(abs(nanos), decimals)
    if not any(digit in text for digit in "123456789"):
        return f"${text}"
    return f"{'-' if nanos < 0 else '+' if sign else ''}${text}"


def ms(value: float | None) -> str:
    """Milliseconds without their sign: ``2.1``, ``341``."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 1 else f"{value:.2f}"


def clip(text: str, width: int) -> str:
    """A text of at most ``width`` characters, its cut shown."""
    return text if len(text) <= width else text[: max(0, width - len(CUT))] + CUT


def visible(text: str) -> str:
    """A text for a page: any script as it is; what is unseen or turns text is written out."""
    return text.replace("\r\n", "\n").translate(_UNSEEN)


def printable(text: str) -> str:
    """A text that any terminal takes: lone surrogates and control characters are written out."""
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if safe.isprintable():
        return safe
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in safe)
