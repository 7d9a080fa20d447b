"""Secrets are replaced by placeholders before anything is counted, compressed or sent.

The one thing that may alter protected text and the arguments of calls. Placeholders are numbered by
first appearance and say nothing of what they stand for. What is replaced in a turn depends on the
texts up to its end, so plans stay append-only; what was sent before it was known stays as it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tokenthrift import wire
from tokenthrift.compress.detectors import (
    Confidence,
    compiled,
    load_detector,
    quoted,
    whole_characters,
)
from tokenthrift.compress.segments import turns_of
from tokenthrift.draft import REQUEST, Edit, Step
from tokenthrift.tokens import count_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tokenthrift.compress.detectors import Detector
    from tokenthrift.types import Path, Request, TokenCounter

REDACT: Final = "redact"  # the name of the step
LOOK_ALIKE: Final = "text that looks like a placeholder"
SHORT: Final = 8  # characters; a shorter secret is replaced as a whole word only
ROOM: Final = 1 << 30  # bytes that the pattern of all secrets may take

PLACEHOLDER: Final = re.compile(r"\[secret-[1-9]\d{0,5}\]")


class Redact(BaseModel):
    """Which secrets are replaced by placeholders in what is sent; answers have them back."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    confidence: Confidence = "medium"
    """Which rules of the catalogue take part: ``high`` misses more, ``low`` finds more."""
    patterns: dict[str, str] = Field(default_factory=dict)
    """Regular expressions (RE2) of your own, by the kind of what they find; the first group that
    takes part is the secret, else all that matches."""
    allow: tuple[str, ...] = ()
    """Regular expressions (RE2) of values that are no secrets; a whole value must match."""

    @field_validator("patterns", "allow")
    @classmethod
    def _are_patterns(cls, given: Any) -> Any:
        for pattern in given.values() if isinstance(given, dict) else given:
            compiled(pattern)
        return given

    @property
    def detector(self) -> Detector:
        """Finds what is to be replaced; loaded once for all policies that say the same.

        Raises:
            MissingExtraError: the extra is not installed.
        """
        return load_detector(self.confidence, tuple(self.patterns.items()), self.allow)


@dataclass(frozen=True, slots=True)
class Redacted:
    """A request without secrets.

    Attributes:
        request: what may leave the house; the caller's own object where it holds none.
        secrets: what each placeholder stands for; never shown.
        steps: what was done, in numbers and kinds.
    """

    request: Request
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    steps: tuple[Step, ...] = ()


def redact(request: Request, policy: Redact | None, count: TokenCounter) -> Redacted:
    """Replace the secrets of a request.

    Args:
        request: the caller's.
        policy: what counts as a secret; None leaves everything.
        count: counts the request before and after; a placeholder may be longer than a secret.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    if policy is None:
        return Redacted(request)
    texts = wire.texts_of(request)
    names = _Names(policy.detector)
    changed: dict[Path, str] = {}
    for group in _turns(request, texts):
        names.learn([text for _, text in group])
        for path, text in group:
            after = names.replaced(text)
            if after != text:
                changed[path] = after
    if not changed:
        step = Step(REDACT, REQUEST, 0, 0, notes=(("", "no secret was found"),))
        return Redacted(request, {}, (step,))
    clear = wire.read(wire.write(request, changed), request.wire)
    edits = tuple(
        Edit(".".join(map(str, path)), "replace", text, "secrets replaced", level=0)
        for path, text in changed.items()
    )
    step = Step(
        REDACT,
        REQUEST,
        count_request(request, count),
        count_request(clear, count),
        edits=edits,
        notes=tuple(("", note) for note in names.notes()),
    )
    return Redacted(clear, names.secrets, (step,))


def _turns(request: Request, texts: Sequence[tuple[Path, str]]) -> Iterator[list[tuple[Path, str]]]:
    """Texts by the turn they were first sent in; what no message holds belongs to the first."""
    turns = zip(request.messages, turns_of(request.messages), strict=True)
    turn_at = {message.path[:2]: turn for message, turn in turns}

    def turn(item: tuple[Path, str]) -> int:
        path = item[0]
        return turn_at.get(path[:2], turn_at.get(path[:1], 0))

    for _, group in groupby(sorted(texts, key=turn), turn):
        yield list(group)


class _Names:
    """The placeholders of a conversation, as far as it has been read."""

    def __init__(self, detector: Detector) -> None:
        self.secrets: dict[str, str] = {}
        self._detector = detector
        self._placeholders: dict[str, str] = {}  # by secret
        self._forms: dict[str, str] = {}  # placeholders by every spelling of a secret
        self._kinds: dict[str, str] = {}  # by placeholder
        self._taken: set[str] = set()  # what somebody wrote that looks like a placeholder
        self._uses: Counter[str] = Counter()
        self._last = 0
        self._pattern: Any = None

    def learn(self, texts: Sequence[str]) -> None:
        """Name the secrets of the texts of a turn."""
        written = {token for text in texts for token in PLACEHOLDER.findall(text)}
        known = len(self._forms)
        # One that stands for a secret already gets a name of its own: it is no secret's.
        copied = written & self.secrets.keys()
        self._taken |= written - copied
        for text in texts:
            found = [(f.value, f.kind) for f in self._detector(text)]
            found += [(token, LOOK_ALIKE) for token in PLACEHOLDER.findall(text) if token in copied]
            for value, kind in found:
                self._name(value, kind, text)
        if len(self._forms) > known:
            spellings = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = compiled("|".join(map(_literal, spellings)), ROOM)

    def _name(self, spelt: str, kind: str, text: str) -> None:
        if spelt in self._forms:
            return
        value = _meant(spelt, text)
        if value not in self._placeholders:
            self._last += 1
            while f"[secret-{self._last}]" in self._taken:
                self._last += 1
            name = f"[secret-{self._last}]"
            self._placeholders[value] = name
            self._kinds[name] = kind
            self.secrets[name] = value
        for form in (spelt, value, *_escaped(value)):
            self._forms.setdefault(form, self._placeholders[value])

    def replaced(self, text: str) -> str:
        """A text with placeholders where it has secrets that are known by now."""
        if self._pattern is None:
            return text
        out: list[str] = []
        at = 0
        for match in self._pattern.finditer(whole_characters(text)):
            name = self._forms[match.group()]
            self._uses[name] += 1
            out += [text[at : match.start()], name]
            at = match.end()
        return "".join([*out, text[at:]]) if out else text

    def notes(self) -> Iterator[str]:
        """How many secrets of which kind were replaced, and in how many places."""
        kinds: Counter[str] = Counter(self._kinds[name] for name in self._uses)
        for kind, n in kinds.items():
            places = sum(self._uses[name] for name in self._uses if self._kinds[name] == kind)
            yield f"{kind}: {n} in {places} place{'s' if places > 1 else ''}"


def _meant(spelt: str, text: str) -> str:
    """What a value in JSON stands for without escapes; elsewhere itself."""
    if "\\" not in spelt or text.lstrip()[:1] not in ("{", "["):
        return spelt
    try:
        json.loads(text)
        return str(json.loads(f'"{spelt}"'))
    except (ValueError, RecursionError):
        return spelt


def _escaped(value: str) -> tuple[str, str]:
    """The spellings of a value inside a string of JSON."""
    return json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]


def _literal(form: str) -> str:
    """A pattern of nothing but a spelling; of a short one only where it is no part of a word."""
    if len(form) >= SHORT:
        return quoted(form)
    before, after = (r"\b" if re.match(r"\w", c, re.ASCII) else "" for c in (form[0], form[-1]))
    return f"{before}{quoted(form)}{after}"
