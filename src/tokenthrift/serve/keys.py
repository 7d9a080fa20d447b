"""API keys of the service: random, kept as digests, scoped, expiring, revoked at once.

A key holds 256 random bits, so a plain SHA-256 of it can be neither guessed nor searched for; slow
hashes are for passwords. The key itself is shown once, when it is made, and never kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tokenthrift.errors import KeyFileError
from tokenthrift.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterator

Room: TypeAlias = Literal[
    "chat", "responses", "messages", "embeddings", "models", "plan", "feedback", "metrics", "docs",
    "dashboard",
]  # fmt: skip
"""What a key may be for; a route of the service belongs to one of them."""
ROOMS: Final[tuple[Room, ...]] = get_args(Room)

PREFIX: Final = "tt"
SECRET_BYTES: Final = 32
ID_BYTES: Final = 6
APPLICATION_ID: Final = 0x54544B59  # "TTKY", so that `file` and we can tell a file of keys

TABLES: Final = (
    """
    CREATE TABLE keys (
        key_id TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        data TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)

Words: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1)]


class Scope(BaseModel):
    """What a key may do; None does not restrict.

    Attributes:
        policies: that it may name; the first one is what its calls fall under.
        models: that it may name, ``*`` for any text. What a policy makes of them is the policy's.
        rooms: that it may enter.
        tags: written into the records of its calls whatever the caller says, so that limits by
            user, team or tag hold for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policies: Words | None = None
    models: Words | None = None
    rooms: tuple[Room, ...] | None = None
    tags: dict[str, str] = {}

    def allows_room(self, room: Room) -> bool:
        """Whether it may enter."""
        return self.rooms is None or room in self.rooms

    def allows_model(self, model: str) -> bool:
        """Whether a caller may name a model."""
        return self.models is None or any(fnmatchcase(model, p) for p in self.models)

    def allows_policy(self, name: str) -> bool:
        """Whether calls may fall under a policy; ``off`` is what a bypass asks for."""
        return self.policies is None or name in self.policies


EVERYTHING: Final = Scope()
_Row: TypeAlias = "tuple[bytes, ApiKey]"


class ApiKey(BaseModel):
    """What is kept of a key.

    Attributes:
        key_id: part of the key, and no secret: it names it in lists and in limits by ``key``.
        expires_at: from then on it is refused; None: never.
        revoked_at: when it was revoked, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str
    name: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    scope: Scope = EVERYTHING

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Whether it is of any use."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= now
        return "expired" if expired else "active"


class KeyFile(SQLiteFile):
    """Keys in one SQLite file; safe with threads and processes. What is revoked is so at once.

    Raises:
        KeyFileError: the file cannot be opened, or is of a newer version or another program.
    """

    noun = "file of keys"
    error = KeyFileError
    application_id = APPLICATION_ID
    tables = TABLES

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self._known: dict[str, _Row] = {}
        self._known_at: tuple[sqlite3.Connection, int] | None = None
        super().__init__(path, create=create)

    def create_key(
        self,
        name: str,
        scope: Scope = EVERYTHING,
        *,
        expires_at: datetime | None = None,
        now: datetime | None = None,
    ) -> tuple[str, ApiKey]:
        """Make a key.

        Returns:
            The key itself, which cannot be had again, and what is kept of it.
        """
        made = ApiKey(
            key_id=secrets.token_hex(ID_BYTES),
            name=name,
            created_at=now or datetime.now(UTC),
            expires_at=expires_at,
            scope=scope,
        )
        token = f"{PREFIX}_{made.key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
        with self._session() as db, db:
            db.execute(
                "INSERT INTO keys VALUES (?, ?, ?)",
                (made.key_id, _digest(token), made.model_dump_json()),
            )
        return token, made

    def listed(self) -> Iterator[ApiKey]:
        """All keys, oldest first."""
        with self._session() as db:
            rows = db.execute("SELECT data FROM keys").fetchall()
        found = [ApiKey.model_validate_json(data) for (data,) in rows]
        yield from sorted(found, key=lambda k: (k.created_at, k.key_id))

    def revoke(self, key_id: str, now: datetime | None = None) -> ApiKey:
        """Refuse a key from now on; a key that is revoked already stays as it is.

        Raises:
            KeyFileError: there is no such key.
        """
        with self._session() as db, db:
            db.execute("BEGIN IMMEDIATE")
            row = _row(db, key_id)
            if row is None:
                raise KeyFileError(f"{self.path}: no key {key_id!r}; see: tokenthrift keys list")
            key = ApiKey.model_validate_json(row[1])
            if key.revoked_at is None:
                key = key.model_copy(update={"revoked_at": now or datetime.now(UTC)})
                db.execute(
                    "UPDATE keys SET data = ? WHERE key_id = ?", (key.model_dump_json(), key_id)
                )
                self._known.pop(key_id, None)
        return key

    def find(self, token: str, now: datetime | None = None) -> ApiKey | None:
        """The key that a caller shows; None where it is unknown, expired or revoked.

        The digests are compared in constant time.
        """
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            return None
        row = self._row(key_id)
        digest = _digest(token)
        if not hmac.compare_digest(digest, row[0] if row else bytes(len(digest))) or row is None:
            return None
        return row[1] if row[1].state(now or datetime.now(UTC)) == "active" else None

    def active(self, key_id: str, now: datetime | None = None) -> ApiKey | None:
        """The key of an id that somebody has shown before; None where it is of no use any more."""
        row = self._row(key_id)
        return row[1] if row and row[1].state(now or datetime.now(UTC)) == "active" else None

    def _row(self, key_id: str) -> _Row | None:
        """The digest of a key and what is kept of it; read anew as soon as the file changes."""
        with self._session() as db:
            # It rises with every commit of another connection; our own forget what they change.
            at = db, db.execute("PRAGMA data_version").fetchone()[0]
            if at != self._known_at:
                self._known, self._known_at = {}, at
            row = self._known.get(key_id)
            if row is None and (found := _row(db, key_id)) is not None:
                row = self._known[key_id] = found[0], ApiKey.model_validate_json(found[1])
        return row


def _row(db: sqlite3.Connection, key_id: str) -> tuple[bytes, str] | None:
    found: tuple[bytes, str] | None = db.execute(
        "SELECT digest, data FROM keys WHERE key_id = ?", (key_id,)
    ).fetchone()
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
