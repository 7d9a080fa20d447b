"""The values that flow through the house: frozen, slotted, without I/O.

A body becomes a `Request`; a request is split into segments and frames, which make up a `Draft` (in
`tokenthrift.draft`). Nothing here reads a clock, a file or a provider. Bodies stay the caller's own
dicts: we address the text in them by path and never re-model a provider's schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of a body to a value in it."""

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
PartType: TypeAlias = Literal[
    "text", "image", "audio", "file", "tool_call", "tool_result", "refusal", "opaque"
]
Kind: TypeAlias = Literal[
    "prose",
    "code",
    "json",
    "table",
    "log",
    "diff",
    "search",
    "html",
    "markdown",
    "trace",
    "data_uri",
]


# ------------------------------------------------------------------------------------------ money
@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount of US dollars, in whole nano-dollars (1e-9 USD)."""

    nanos: int = 0

    @property
    def usd(self) -> Decimal:
        """The amount in dollars, exact."""
        return Decimal(self.nanos).scaleb(-9)

    def __add__(self, other: Money) -> Money:
        return Money(self.nanos + other.nanos)

    def __radd__(self, other: int) -> Money:
        """Let ``sum()`` start from 0."""
        return self if other == 0 else NotImplemented

    def __sub__(self, other: Money) -> Money:
        return Money(self.nanos - other.nanos)

    def __neg__(self) -> Money:
        return Money(-self.nanos)

    def __str__(self) -> str:
        sign = "-" if self.nanos < 0 else ""
        return f"{sign}${abs(self.usd):.9f}"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call consumed, normalised once. Buckets are inclusive (DESIGN section 2).

    ``input_tokens`` contains ``cache_read_tokens`` and ``cache_write_tokens``; ``output_tokens``
    contains ``reasoning_tokens``. ``cache_write_1h_tokens`` are those of ``cache_write_tokens``
    that are kept for an hour, which some providers charge more for. ``estimated`` is set when the
    provider reported nothing.

    Sounds and images are part of input and output; where they have prices of their own, how many
    tokens they are is in ``input_audio_tokens`` and its like; ``cache_read_audio_tokens`` is of
    both the read and the audio. ``service_tier`` is how the call was served: empty as usual,
    ``batch``, ``flex`` or ``priority``.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    raw: Mapping[str, Any] | None = field(default=None, compare=False)
    cache_write_1h_tokens: int = 0
    cache_read_audio_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    service_tier: str = ""


# ---------------------------------------------------------------------------------------- request
@dataclass(frozen=True, slots=True)
class Part:
    """A typed piece of a message.

    Attributes:
        type: what it is.
        path: where its text (or, without text, the whole item) stands in the body.
        text: text that may be rewritten at ``path``; for a tool call its arguments; None if opaque.
        call_id: the tool call this part is, or answers.
        name: the tool's name, where the wire says it.
        raw: the caller's own value, for parts without text (images, audio, opaque items).
    """

    type: PartType
    path: Path
    text: str | None = None
    call_id: str | None = None
    name: str | None = None
    raw: Any = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message, or one item of an item-based wire.

    Attributes:
        index: position in the conversation.
        role: normalised role (``developer`` is ``system``, ``function`` is ``tool``).
        path: where the message stands in the body.
        parts: its pieces, in order.
        pinned: must stay in the body even when all of its text has gone.
        framing_text: what else is counted for it (names, ids), beside the text of its parts.
        tied: goes only together with the message before it.
    """

    index: int
    role: Role
    path: Path
    parts: tuple[Part, ...]
    pinned: bool = False
    framing_text: str = ""
    tied: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One entry of a request's tool list.

    Attributes:
        name: as a model calls it; empty where it has none that is known.
        function: its name, description and schema, as the caller wrote them; None for entries that
            describe no function (a provider's own tools, say), which stay as they are.
        strict: whether the provider is asked to hold the model to the schema.
    """

    name: str
    function: Mapping[str, Any] | None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A caller's body and our view of it. The body is never mutated.

    Attributes:
        body: the caller's own mapping, unknown keys included.
        wire: name of the wire adapter that read it, e.g. ``openai-chat``.
        model: the model the caller asked for, as written.
        messages: the conversation.
        needs: capabilities that a model must have (``tools``, ``vision``, ``json_schema`` ...).
        tools_text: the tool schemas as they are counted, one string each.
        max_output_tokens: the caller's own cap, if any.
    """

    body: Mapping[str, Any]
    wire: str
    model: str
    messages: tuple[Message, ...]
    needs: frozenset[str] = frozenset()
    tools_text: tuple[str, ...] = ()
    max_output_tokens: int | None = None


class TokenCounter(Protocol):
    """Counts tokens as one model family does.

    ``exact`` says whether counts are the model's own; ``error`` is the stated relative error bound
    of an estimate (0.0 when exact).
    """

    @property
    def name(self) -> str:
        """What counts, e.g. ``o200k_base``."""
        ...

    @property
    def encoding_name(self) -> str:
        """The tiktoken encoding that texts are split with."""
        ...

    @property
    def exact(self) -> bool:
        """Whether counts are the model family's own."""
        ...

    @property
    def error(self) -> float:
        """Relative error bound, 0.0 when exact."""
        ...

    def __call__(self, text: str, /) -> int:
        """Tokens of a text."""
        ...

    def apart(self, text: str, ends: Sequence[int], /) -> list[int]:
        """Tokens of the pieces of a text that is cut at ``ends``, each counted by itself."""
        ...

    def edited(self, text: str, before: str, /) -> int:
        """Tokens of a text that keeps lines of another; the same figure, sooner."""
        ...

    def kept(self, text: str, before: str, runs: Sequence[tuple[int, int, int]], /) -> int:
        """The same where the runs are known that were kept: where each is, and was from and to."""
        ...

    def pieces(self, text: str, ends: Sequence[int], /) -> list[int]:
        """Tokens of the pieces of a text that is cut at ``ends``, from one look at the whole."""
        ...


class Scorer(Protocol):
    """Says how much each unit has to do with a question; deterministic."""

    def __call__(
        self, question: str, units: Sequence[str], groups: Sequence[int], /
    ) -> npt.NDArray[np.float32]:
        """(n,) float32, larger is better.

        Args:
            question: what is asked.
            units: texts, in order.
            groups: a number per unit, not falling: one document, file, turn or record each.
        """
        ...


class TokenTable(Protocol):
    """Vectors of o200k tokens, of which texts are sums."""

    def query_vector(self, text: str) -> npt.NDArray[np.float32]:
        """(d,) float32 of a question."""
        ...

    def rows_of(
        self, ids: npt.NDArray[np.int64], /
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """``(rows, place, known)``: each row once, its place for each known id, which are known."""
        ...


class Encoder(Protocol):
    """Turns texts into unit vectors; local and deterministic."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised."""
        ...


class Reranker(Protocol):
    """Reads a question together with each text; local and deterministic."""

    def rank(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n,) float32, higher is better; comparable between calls with one question."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderUse:
    """How much of a text a model reads, and how much its word counts.

    Attributes:
        share: of the blocks, the best by the fast score, that the model reads.
        at_least: blocks it reads where there are so few.
        deadline_ms: after which the fast scores stand alone; None waits.
        weight: of the model's scores against the fast ones, in standard deviations of each.
    """

    share: float = 0.25
    at_least: int = 64
    deadline_ms: int | None = 2000
    weight: float = 0.5


# ---------------------------------------------------------------------------------------- segments
# Why a text is protected that a user message brings as the result of the model's own command: it is
# not cut, but what it repeats may be pointed at.
RESULT: Final = "latest user text, the result of a command"


@dataclass(frozen=True, slots=True)
class Segment:
    """Our addressable piece of a part: the thing that edits name.

    Attributes:
        id: stable within a conversation, e.g. ``m3`` or ``m3.1`` (message, running number).
        message: message index.
        part: index of the part inside the message.
        span: start and end in the part's original text.
        kind: what the text is.
        text: the current text; ``original`` the caller's.
        tokens: of the current text.
        protected: why it must not be altered, or an empty string.
        turn: the turn it was first sent in.
        level: how hard it has been compressed (0 verbatim, 1 lossless, 2 selective, 3 digest).
    """

    id: str
    message: int
    part: int
    span: tuple[int, int]
    kind: Kind
    role: Role
    turn: int
    text: str
    original: str
    tokens: int
    protected: str = ""
    level: int = 0

    def protected_as(self, why: str) -> Segment:
        """The same, protected for another reason; most are once, so it is spelt out."""
        return Segment(
            self.id,
            self.message,
            self.part,
            self.span,
            self.kind,
            self.role,
            self.turn,
            self.text,
            self.original,
            self.tokens,
            why,
            self.level,
        )


class Unit(NamedTuple):
    """The smallest thing that is kept or dropped whole: ``text[start:end]`` of its segment.

    ``carry`` is context that helps to score it but is not part of it (speaker, heading, title).
    ``anchor`` marks what the rest cannot be read without (a table's header): it goes last.
    ``opens`` marks the first unit of a line, or of a record of data.
    ``head`` is the number, within its segment, of the unit that is kept with it (the heading of a
    file, the header of a hunk), or -1; an anchor that is a head is kept for what hangs on it only.
    ``part`` is what it is in the form of its kind (``changed``, ``context``, ``frame`` ...).

    A tuple, as there are thousands of them and one is made three times as fast.
    """

    start: int
    end: int
    tokens: int
    carry: str = ""
    anchor: bool = False
    opens: bool = False
    head: int = -1
    part: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The shell of a message: what is counted for it beside its segments.

    Attributes:
        message: message index.
        tokens: framing, names, tool calls, media and opaque items.
        pinned: stays even when its text has gone.
        group: messages with one number go together or not at all (a tool call and its results).
        removed: the message is not sent.
    """

    message: int
    role: Role
    turn: int
    tokens: int
    group: int
    pinned: bool = False
    removed: bool = False

    @property
    def id(self) -> str:
        """The name that edits use."""
        return f"m{self.message}"
