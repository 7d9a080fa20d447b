"""Limits on what calls take: in money, tokens and requests, by user, team, key, tag or model.

An amount is reserved before a call and settled or refunded after it, so that calls at once and
crashes neither overspend nor leak. Stores count; rules say what; windows are pure arithmetic.
"""

from tokenthrift.limits.amounts import Amount, Caps
from tokenthrift.limits.limiter import Lease, Limiter, LimitUse, Pressure, open_limits
from tokenthrift.limits.memory import MemoryLimits
from tokenthrift.limits.rules import Call, Leases, LimitRule, LimitRules
from tokenthrift.limits.sqlite import SQLiteLimits
from tokenthrift.limits.store import Answer, Hold, LimitStore, Line, Slice, Use
from tokenthrift.limits.usage import AccountUse, PastWindow, usage
from tokenthrift.limits.windows import Window, calendar_window, rolling_window

__all__ = [
    "AccountUse",
    "Amount",
    "Answer",
    "Call",
    "Caps",
    "Hold",
    "Lease",
    "Leases",
    "LimitRule",
    "LimitRules",
    "LimitStore",
    "LimitUse",
    "Limiter",
    "Line",
    "MemoryLimits",
    "PastWindow",
    "Pressure",
    "SQLiteLimits",
    "Slice",
    "Use",
    "Window",
    "calendar_window",
    "open_limits",
    "rolling_window",
    "usage",
]
