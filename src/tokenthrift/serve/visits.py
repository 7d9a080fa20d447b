"""Visits of browsers: who has shown a key once carries a signed cookie from then on.

The cookie names the key and holds nothing of it. It is signed with a secret of this process, ends
after hours, and is of no use any more as soon as its key is revoked or expired.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from tokenthrift.serve.keys import ApiKey, KeyFile

COOKIE: Final = "tokenthrift_visit"
PATH: Final = "/dashboard"
LASTS_S: Final = 12 * 60 * 60


class Visits:
    """Signs cookies, and reads them again.

    Args:
        secret: what they are signed with; one of this process if None, so that a restart ends all
            visits.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def cookie(self, key: ApiKey, now: datetime, *, secure: bool) -> str:
        """The value of a ``set-cookie`` header that begins a visit.

        Args:
            key: that was shown.
            now: the time.
            secure: whether the connection is encrypted, so that the cookie needs that too.
        """
        ends_s = int(now.timestamp()) + LASTS_S
        value = f"{key.key_id}.{ends_s}.{self._signature(key.key_id, ends_s)}"
        return _header(value, LASTS_S, secure=secure)

    def gone(self, *, secure: bool) -> str:
        """The value of a ``set-cookie`` header that ends a visit."""
        return _header("", 0, secure=secure)

    def key_of(self, cookies: str, keys: KeyFile, now: datetime) -> ApiKey | None:
        """The key of a visit; None where there is none, or its time or its key is over.

        Args:
            cookies: the header ``cookie``.
            keys: where it must still be active.
            now: the time.
        """
        key_id, _, rest = _value(cookies).partition(".")
        ends, _, signature = rest.partition(".")
        if not ends.isdigit() or not signature.isascii() or int(ends) <= now.timestamp():
            return None
        if not hmac.compare_digest(signature, self._signature(key_id, int(ends))):
            return None
        return keys.active(key_id, now)

    def _signature(self, key_id: str, ends_s: int) -> str:
        signed = f"{key_id}.{ends_s}".encode()
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()


def _value(cookies: str) -> str:
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _header(value: str, lasts_s: int, *, secure: bool) -> str:
    cookie: SimpleCookie = SimpleCookie({COOKIE: value})
    morsel = cookie[COOKIE]
    morsel["path"] = PATH
    morsel["max-age"] = lasts_s
    morsel["httponly"] = True
    morsel["samesite"] = "Strict"
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()
