"""Finding secrets in texts: a catalogue of what keys look like, what stands behind names, patterns.

The catalogue is Kingfisher's (MongoDB, Apache-2.0), run in process and offline; values that only
a name gives away (``password = "..."``) and the user's patterns are found by RE2. Both match in
linear time. Both come with the extra ``redact``.
"""

from __future__ import annotations

import math
import re
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from tokenthrift.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

Confidence: TypeAlias = Literal["low", "medium", "high"]

EXTRA: Final = "redact"
KNOWN_TEXTS: Final = 16_384
SHORTEST: Final = 3  # characters; less would be found in every other line

# Names behind which a value is a secret. The first kind is chosen by people and may be weak; the
# second is made by machines, so a value that looks like a word is none.
CHOSEN: Final = r"pass(?:word|wd|phrase)|pwd|passcode|[a-z]{1,40}[_-]pass"
MADE: Final = (
    r"secret|(?:secret|api|access|private|account|signing|encryption|master|service)[_-]?key"
    r"|client[_-]?secret|(?:auth|access|refresh|api|bot|bearer|session|secret|personal)[_-]?token"
)
_BEFORE: Final = r"(?:^|[^a-z0-9])"
_IS: Final = r"[\"'`\]]{0,2}\s{0,4}(?::=|=>|={1,3}|:)\s{0,4}[bfru]?"
_QUOTED: Final = "(?:{})".format(
    "|".join(rf"{q}((?:[^{q}\\\s]|\\[^\s]){{6,256}}){q}" for q in ('"', "'", "`"))
)
# As in files of the shell, where the whole line is the value.
_LINE: Final = r"[ \t]{0,4}[=:][ \t]{0,4}([^\s\"'`<>()\[\]{},;]{8,256})[ \t\r]*$"
# Truncated blocks, too, which the catalogue does not take.
_KEY_BLOCK: Final = (
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:\\[nr]|\s)+[A-Za-z0-9+/=]{16,})+"
    r"(?:(?:\\[nr]|\s)*[A-Za-z0-9+/=]{0,63}(?:\\[nr]|\s)*"
    r"-----END [A-Z0-9 ]{0,30}KEY(?: BLOCK)?-----)?"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern and how careful to be with what it finds.

    Attributes:
        kind: as reports name what it finds.
        pattern: RE2; the first group that takes part is the secret, else all of it.
        weight: ``sure``: whatever it finds; ``chosen``, ``made``: what passes for such a value.
    """

    kind: str
    pattern: str
    weight: Literal["sure", "chosen", "made"] = "sure"


RULES: Final = (
    Rule("private-key", _KEY_BLOCK),
    # In the query of an address, where the catalogue takes it for a part of something longer.
    Rule("gcp-api-key", r"\b(AIza[0-9A-Za-z_-]{35})(?:[^0-9A-Za-z_-]|$)"),
    Rule("aws-access-key-id", r"\b((?:AKIA|ASIA)[A-Z2-7]{16})\b"),
    Rule(
        "url-password",
        r"(?i)\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@\"'<>]{0,100}:([^\s/@\"'<>:]{4,200})@[^\s/@]",
        "chosen",
    ),
    Rule(
        "authorization",
        r"(?i)\bauthorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:bearer|basic|token)\s{1,4}"
        r"([a-z0-9._~+/=-]{16,})",
        "made",
    ),
    Rule("password", rf"(?im){_BEFORE}(?:{CHOSEN})\d{{0,2}}{_IS}{_QUOTED}", "chosen"),
    Rule("secret", rf"(?im){_BEFORE}(?:{MADE})\d{{0,2}}{_IS}{_QUOTED}", "made"),
    Rule("password", rf"(?im)^[\w .-]{{0,60}}(?:{CHOSEN}){_LINE}", "chosen"),
    Rule("secret", rf"(?im)^[\w .-]{{0,60}}(?:{MADE}){_LINE}", "made"),
)

# Templates, variables, code and addresses in place of a value.
_NO_VALUE = re.compile(
    r"[$%]\{|\{\{|^[$%<{(\[]|^\w+\(|:\\?/|\.\.\.|^[./~]|\*\*|(?i:xxx|example|placeholder|changeme)"
    r"|(?i:your|redacted|dummy|os\.environ|process\.env|getenv|self\.)"
)
_PIECES = re.compile(r"[._\-/ ]+")
_WORDY = re.compile(r"[A-Za-z]+\d{0,2}|\d{1,4}|")
_CAMEL = re.compile(r"[A-Z]?[a-z]{2,}(?:[A-Z][a-z]{2,})*")
MADE_CHARACTERS: Final = 16
MADE_BITS: Final = 3.0  # Shannon entropy per character


@dataclass(frozen=True, slots=True)
class Found:
    """A secret in a text.

    Attributes:
        value: as it stands there; never shown.
        kind: what it is, e.g. ``github-pat``.
    """

    value: str
    kind: str

    def __repr__(self) -> str:
        """The kind only."""
        return f"Found(kind={self.kind!r})"


class Detector:
    """Finds secrets; deterministic, and remembers what it has found in the last texts.

    Args:
        confidence: which rules of the catalogue take part; the lower, the more.
        patterns: the user's own, by the kind they find.
        allow: patterns of values that are no secrets; a whole value must match.

    Raises:
        MissingExtraError: the extra is not installed.
    """

    def __init__(
        self,
        confidence: Confidence = "medium",
        patterns: tuple[tuple[str, str], ...] = (),
        allow: tuple[str, ...] = (),
    ) -> None:
        own = tuple(Rule(kind, pattern) for kind, pattern in patterns)
        self._rules = tuple((rule, compiled(rule.pattern)) for rule in (*own, *RULES))
        self._allow = tuple(compiled(pattern) for pattern in allow)
        self._catalogue = _catalogue(confidence)
        self._known: OrderedDict[bytes, tuple[Found, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> tuple[Found, ...]:
        """The secrets of a text, each value once, in the order in which they first stand there."""
        if len(text) < SHORTEST:
            return ()
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        found = self._search(whole_characters(text))
        with self._lock:
            self._known[key] = found
            while len(self._known) > KNOWN_TEXTS:
                self._known.popitem(last=False)
        return found

    def _search(self, text: str) -> tuple[Found, ...]:
        data = text.encode()
        places: dict[str, tuple[int, int, str]] = {}
        for rank, (kind, value) in enumerate((*self._by_catalogue(data), *self._by_rules(data))):
            at = text.find(value)
            if at >= 0 and len(value) >= SHORTEST and not self._is_allowed(value):
                places.setdefault(value, (at, rank, kind))
        ordered = sorted(places.items(), key=lambda item: item[1])
        return tuple(Found(value, kind) for value, (_, _, kind) in ordered)

    def _by_catalogue(self, data: bytes) -> list[tuple[str, str]]:
        found = [
            (str(f.rule_id).rpartition("/")[2].rpartition(".")[2], str(f.secret))
            for f in self._catalogue.scan(data)
            if f.visible
        ]
        return sorted(found)

    def _by_rules(self, data: bytes) -> Iterator[tuple[str, str]]:
        for rule, pattern in self._rules:
            for match in pattern.finditer(data):
                value = next((group for group in match.groups() if group), match.group())
                value = value.decode("utf-8", "replace")
                if is_secretive(value, rule.weight):
                    yield rule.kind, value

    def _is_allowed(self, value: str) -> bool:
        return any(pattern.fullmatch(value) for pattern in self._allow)


def is_secretive(value: str, weight: str) -> bool:
    """Whether a value that stands behind a telling name passes for a secret, not for code."""
    if weight == "sure":
        return True
    if _NO_VALUE.search(value):
        return False
    pieces = _PIECES.split(value)
    if weight == "chosen":
        word = value.rstrip(".,:;?")
        plain = word.isalpha() and (word.islower() or word.isupper() or _CAMEL.fullmatch(word))
        return not plain and (len(pieces) == 1 or not all(map(_WORDY.fullmatch, pieces)))
    if len(value) < MADE_CHARACTERS or not any(c.isdigit() for c in value):
        return False
    return not all(map(_WORDY.fullmatch, pieces)) and bits_per_character(value) >= MADE_BITS


def bits_per_character(text: str) -> float:
    """Shannon entropy of the characters of a text."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def whole_characters(text: str) -> str:
    """A text of the same length in which halves of surrogate pairs are replacement characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text)
    return text


def compiled(pattern: str, most_bytes: int = 8 << 20) -> Any:
    """A pattern of RE2, which matches in time linear in the text, whatever the pattern.

    Args:
        pattern: as RE2 writes them.
        most_bytes: of memory that it may take.

    Raises:
        MissingExtraError: the extra is not installed.
        ValueError: RE2 does not know the pattern; look-around and back-references are such.
    """
    re2 = _re2()
    options = re2.Options()
    options.log_errors = False
    options.max_mem = most_bytes
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"RE2 does not take {pattern!r}: {error}") from error


def quoted(text: str) -> str:
    """The pattern of a text."""
    return str(_re2().escape(text))


def _re2() -> Any:
    try:
        import re2
    except ImportError as error:
        raise MissingExtraError("google-re2", EXTRA) from error
    return re2


@lru_cache(maxsize=3)
def _catalogue(confidence: Confidence) -> Any:
    """Kingfisher's scanner; its rules are compiled once and kept in its own cache on disk."""
    try:
        from kingfisher_sdk import Rules, Scanner
    except ImportError as error:
        raise MissingExtraError("kingfisher-secret-scanner", EXTRA) from error
    return Scanner(Rules(confidence=confidence), base64=False)


@lru_cache(maxsize=16)
def load_detector(
    confidence: Confidence, patterns: tuple[tuple[str, str], ...], allow: tuple[str, ...]
) -> Detector:
    """The detector of these settings; takes seconds the first time on a machine, then half of one.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    return Detector(confidence, patterns, allow)
