"""Secrets as they look, made at run time: none is anybody's, and none stands in a file."""

from __future__ import annotations

import base64
import json
import random
import string
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ALNUM: Final = string.ascii_letters + string.digits


def drawn(rng: random.Random, alphabet: str, length: int) -> str:
    """Characters of an alphabet."""
    return "".join(rng.choice(alphabet) for _ in range(length))


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def private_key(rng: random.Random, kind: str = "RSA PRIVATE KEY") -> str:
    """A block of a private key."""
    lines = [drawn(rng, ALNUM + "+/", 64) for _ in range(12)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"])


def token(rng: random.Random) -> str:
    """A signed JSON web token."""
    claims = {"sub": drawn(rng, string.digits, 10), "name": "Ann Lee", "iat": 1716239022}
    head = _encoded({"alg": "HS256", "typ": "JWT"})
    return f"{head}.{_encoded(claims)}.{drawn(rng, ALNUM + '-_', 43)}"


# By kind: what makes a value, and the text it stands in.
MADE: Final[dict[str, tuple[Callable[[random.Random], str], str]]] = {
    "aws id": (lambda r: f"AKIA{drawn(r, string.ascii_uppercase + '234567', 16)}", "id {}"),
    "aws secret": (lambda r: drawn(r, ALNUM + "+/", 40), "aws_secret_access_key = {}"),
    "github": (lambda r: f"ghp_{drawn(r, ALNUM, 36)}", "git push https://{}@github.com/a/b"),
    "gitlab": (lambda r: f"glpat-{drawn(r, ALNUM, 20)}", "PAT={}"),
    "slack": (
        lambda r: (
            f"xoxb-{drawn(r, string.digits, 12)}-{drawn(r, string.digits, 12)}-"
            + drawn(r, ALNUM, 24)
        ),
        "the bot has {} now",
    ),
    "stripe": (lambda r: f"sk_live_{drawn(r, ALNUM, 24)}", "stripe.api_key = '{}'"),
    "openai": (lambda r: f"sk-{drawn(r, ALNUM, 20)}T3BlbkFJ{drawn(r, ALNUM, 20)}", "{}"),
    "anthropic": (lambda r: f"sk-ant-api03-{drawn(r, ALNUM + '_-', 93)}AA", "key: {}\n"),
    "google": (lambda r: f"AIza{drawn(r, ALNUM + '-_', 35)}", "maps?key={}&v=3"),
    "private key": (private_key, "Here it is:\n{}\nbye"),
    "jwt": (token, "cookie: session={}; path=/"),
    "url password": (lambda r: drawn(r, ALNUM, 14), "postgres://app:{}@db.internal:5432/prod"),
    "web password": (lambda r: drawn(r, ALNUM, 12), "curl https://bob:{}@example.org/x"),
    "password": (lambda r: drawn(r, ALNUM + "!%", 12) + "7", 'db.password = "{}"  # prod'),
    "yaml password": (lambda r: drawn(r, ALNUM, 13) + "7", "db:\n  password: {}\n  port: 5432"),
    "json password": (lambda r: drawn(r, ALNUM, 11) + "7", '{{"user": "ann", "password": "{}"}}'),
    "shell": (lambda r: drawn(r, ALNUM, 19) + "7", "export API_KEY={}\n"),
    "bearer": (lambda r: drawn(r, ALNUM, 39) + "7", "Authorization: Bearer {}"),
}


def made(kind: str, seed: int) -> tuple[str, str]:
    """A secret of a kind, and a text that holds it."""
    value, text = MADE[kind]
    secret = value(random.Random(f"{kind} {seed}"))
    return secret, text.format(secret)
