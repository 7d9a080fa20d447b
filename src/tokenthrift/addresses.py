"""Addresses of servers as they may be shown: without what lets one in.

A URL can carry a user, a password and tokens. Errors, logs and reports write it with `shown`.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "..."

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.-]*)(:\d+)?(/[^:]*)?")


def scheme_of(address: str) -> str:
    """What a URL begins with, in small letters, e.g. ``redis``; empty for a file name."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def shown(address: str) -> str:
    """Scheme, host, port and path of a URL; any other text as it is.

    Passwords may hold any character, escaped or not: where it is not clear what is one, only the
    scheme is shown.
    """
    found = _SCHEME.match(address)
    if found is None:
        return address
    rest, _, query = address[found.end() :].partition("?")
    place = rest.rpartition("@")[2]
    clear = "@" not in query and _PLACE.fullmatch(place)
    return found[0] + (place if clear else HIDDEN)
