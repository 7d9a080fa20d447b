"""Limits as a policy says them: validated models, and which account of a limit a call counts in."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from tokenthrift.addresses import scheme_of
from tokenthrift.limits.amounts import Caps
from tokenthrift.limits.windows import Period, Window, calendar_window, rolling_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WORDS: Final = ("user", "team", "key", "model")
TAG: Final = "tag:"
LARGEST: Final = 2**62  # what a store keeps exactly


def _checked(word: str) -> str:
    if word in WORDS or (word.startswith(TAG) and len(word) > len(TAG)):
        return word
    listed = f"{', '.join(WORDS)} or tag:NAME"
    raise ValueError(f"calls are not told apart by {word!r}; use {listed}{_nearest(word, WORDS)}")


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


ONE_OR_MORE: Final = BeforeValidator(_listed, json_schema_input_type=str | list[str])
Word: TypeAlias = Annotated[str, AfterValidator(_checked)]
Words: TypeAlias = Annotated[tuple[Word, ...], ONE_OR_MORE]
Patterns: TypeAlias = Annotated[tuple[str, ...], ONE_OR_MORE]


@dataclass(frozen=True, slots=True)
class Call:
    """What limits know of a call.

    Attributes:
        model: the one that is about to be asked.
        tags: ``user`` and ``team`` among them, where they are known.
        key: the caller's API key; only a digest of it is ever kept.
    """

    model: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    key: str = ""

    def value(self, word: str) -> str:
        """Whose call it is by a word of a limit; empty where that is not known."""
        if word == "model":
            return self.model
        if word == "key":
            return blake2b(self.key.encode(), digest_size=6).hexdigest() if self.key else ""
        return self.tags.get(word.removeprefix(TAG), "")


class LimitRule(BaseModel):
    """A cap on what calls take in a window of time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=100)
    """In errors and reports; and the limit's account, so that a new name starts from nothing."""
    by: Words = ()
    """Who has an account of their own: ``user``, ``team``, ``key``, ``model``, ``tag:NAME``, or
    several. Calls that do not say share one. None: all calls share one."""
    only: dict[Word, Patterns] = {}
    """Which calls count: values by the same words, ``*`` stands for any text. None: all do."""
    window: Period
    """``minute``, ``hour``, ``day`` or ``month``."""
    rolling: bool = False
    """Whether the window is the time before each call (a month: 30 days), not the calendar's."""
    zone: str = "UTC"
    """Time zone in which days and months of the calendar begin, e.g. ``Europe/Berlin``."""
    usd: Annotated[Decimal, Field(ge=0, le=LARGEST // 10**9)] | None = None
    """Most US dollars, at list prices."""
    tokens: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    """Most tokens, one pool for input and output."""
    input_tokens: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    """Most input tokens, cached ones included."""
    output_tokens: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    """Most output tokens, reasoning included."""
    requests: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    """Most requests to providers."""
    pool: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Limits with the same pool count in one account, each up to its own caps: what is left between
    two caps is kept for the calls of the higher one."""
    taper: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.8, 0.95)
    """Shares of a cap from which on calls go to cheaper actions, step by step."""
    unpriced: Literal["refuse", "free"] = "refuse"
    """What a limit in US dollars does with a call whose price is not known."""

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"no time zone {zone!r}{_nearest(zone, available_timezones())}")
        return zone

    @field_validator("usd")
    @classmethod
    def _whole_nanos(cls, usd: Decimal | None) -> Decimal | None:
        if usd is not None and usd.scaleb(9) % 1:
            raise ValueError("an amount has at most 9 digits after the point")
        return usd

    @field_validator("taper")
    @classmethod
    def _rising(cls, taper: tuple[float, ...]) -> tuple[float, ...]:
        if list(taper) != sorted(set(taper)):
            raise ValueError("shares must rise")
        return taper

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.caps.set():
            raise ValueError(
                "caps nothing; give usd, tokens, input_tokens, output_tokens or requests"
            )
        if self.zone != "UTC" and (self.rolling or self.window in ("minute", "hour")):
            raise ValueError("a zone is for days and months of the calendar; leave it out")
        return self

    @cached_property
    def caps(self) -> Caps:
        """The caps in whole units."""
        return Caps(
            nanos=None if self.usd is None else int(self.usd.scaleb(9)),
            tokens=self.tokens,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            requests=self.requests,
        )

    @property
    def period(self) -> str:
        """The window in one word, which is part of an account."""
        return f"rolling {self.window}" if self.rolling else f"{self.window} {self.zone}"

    def touches(self, call: Call) -> bool:
        """Whether a call counts."""
        return all(
            any(fnmatchcase(call.value(word), p) for p in patterns)
            for word, patterns in self.only.items()
        )

    def account(self, call: Call) -> str:
        """The account that a call counts in: an unambiguous text."""
        owners = [[word, call.value(word)] for word in self.by]
        return json.dumps([self.pool or self.name, self.period, *owners], ensure_ascii=False)

    def owner(self, call: Call) -> str:
        """Whose account that is, for people; empty where all share it."""
        return ", ".join(f"{word} {call.value(word) or 'unknown'}" for word in self.by)

    def window_at(self, now_us: int) -> Window:
        """The window at an instant."""
        if self.rolling:
            return rolling_window(self.window, now_us)
        return calendar_window(self.window, now_us, ZoneInfo(self.zone))

    @property
    def words(self) -> str:
        """The limit as a sentence."""
        caps = [amount_words(meter, cap) for meter, cap in self.caps.set()]
        who = f"each {' and '.join(self.by)}" if self.by else "all calls together"
        some = [f"{word} {' or '.join(patterns)}" for word, patterns in self.only.items()]
        of = f" of {', '.join(some)}" if some else ""
        when = f"in any {_LONG[self.window]}" if self.rolling else f"a {self.window}"
        zone = f" ({self.zone})" if self.window in ("day", "month") and not self.rolling else ""
        pool = f", out of the pool {self.pool}" if self.pool else ""
        return f"{who}{of}: at most {', '.join(caps)} {when}{zone}{pool}"


_LONG: Final = {"minute": "60 seconds", "hour": "60 minutes", "day": "24 hours", "month": "30 days"}


def amount_words(meter: str, amount: int) -> str:
    """So much of a meter, for people."""
    if meter == "nanos":
        dollars = f"{Decimal(amount).scaleb(-9):,f}"
        whole, _, rest = dollars.partition(".")
        return f"${whole}.{rest.rstrip('0').ljust(2, '0')}"
    words = meter.replace("_", " ")
    return f"{amount:,} {words.removesuffix('s') if amount == 1 else words}"


def check_rules(rules: tuple[LimitRule, ...]) -> tuple[LimitRule, ...]:
    """Refuse limits that would get in each other's way.

    Raises:
        ValueError: two have the same name, or share a pool but not its window and owners.
    """
    accounts: dict[str, LimitRule] = {}
    names: set[str] = set()
    for rule in rules:
        if rule.name in names:
            raise ValueError(f"two limits have the name {rule.name!r}")
        names.add(rule.name)
        other = accounts.setdefault(rule.pool or rule.name, rule)
        if (rule.period, rule.by) != (other.period, other.by):
            raise ValueError(
                f"{rule.name!r} and {other.name!r} count in one account, so they need the same "
                "window, rolling, zone and by"
            )
    return rules


LimitRules: TypeAlias = Annotated[tuple[LimitRule, ...], AfterValidator(check_rules)]


class Leases(BaseModel):
    """How amounts are held while calls run, and where limits are counted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    store: str | None = Field(default=None, repr=False)
    """SQLite file that counts for all processes of a machine, relative to the policy's file. None:
    memory, so each process counts for itself."""
    seconds: float = Field(default=600, gt=0, le=86_400)
    """How long an amount is held for a call that says nothing more, as its process has died."""
    on_expiry: Literal["charge", "refund"] = "charge"
    """What becomes of it then: ``charge`` counts it as spent, as the provider may have; ``refund``
    gives it back. A call that ends later still counts as what it took."""

    @field_validator("store")
    @classmethod
    def _of_a_known_kind(cls, store: str | None) -> str | None:
        scheme = scheme_of(store or "")
        if scheme:
            raise ValueError(f"no store {scheme}://; name a file")
        return store
