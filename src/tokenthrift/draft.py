"""The draft: segments on their way through the stages, and the trace of what was done to them.

A draft changes only through `Draft.edit`, which applies, checks and records; so the trace is the
data that did the work, and replaying it over the original gives what was sent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from tokenthrift.errors import EditError
from tokenthrift.growing import Beginning, Growing
from tokenthrift.history import History, Sums
from tokenthrift.types import RESULT, EncoderUse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from tokenthrift.types import (
        Encoder,
        Frame,
        Message,
        Request,
        Reranker,
        Scorer,
        Segment,
        TokenCounter,
        TokenTable,
    )

Action: TypeAlias = Literal["replace", "remove", "mark"]

REQUEST: Final = (-1, -1)
"""The window of steps that are about the request as a whole, before any turn is opened."""


@dataclass(frozen=True, slots=True)
class UnitNote:
    """What became of one unit of a segment, and why; made only where a plan is to be explained.

    Attributes:
        start: where it stood in the segment's text before the edit, up to ``end``.
        value: what it was worth against the others.
        reasons: what its worth comes from, in a few words each.
    """

    start: int
    end: int
    kept: bool
    value: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: of one segment (``replace``, ``mark``) or of one whole message (``remove``).

    A ``mark`` adds to a text that is otherwise kept what is missing around it. It alone may make a
    segment longer; the step as a whole must still shrink the draft.

    Attributes:
        target: a segment's or, for ``remove``, a message's id; ``t3`` is the request's tool 3.
        text: what the segment reads afterwards.
        reason: why, for people.
        units_dropped: how many units went, of ``units_total``.
        recall_id: content address of what went in its window, empty for lossless edits.
        omitted: the texts that `recall_id` is the address of; one object for all edits of a window.
        units: what became of each unit, where the plan is to be explained.
        apart: texts under an address of their own each, as ``(recall id, text)``.
    """

    target: str
    action: Action
    text: str
    reason: str
    level: int = 1
    units_dropped: int = 0
    units_total: int = 0
    recall_id: str = ""
    omitted: tuple[str, ...] = ()
    units: tuple[UnitNote, ...] = ()
    apart: tuple[tuple[str, str], ...] = ()


class Step(NamedTuple):
    """What one stage did in one window: the record is the data that did the work.

    A tuple, as there is one for each stage of every turn.

    Attributes:
        window: first and last turn that were open; `REQUEST` for what is done before any is.
        notes: why a segment was left alone, as ``(segment id, reason)``; answers "why 0 %?".
        error: set when the stage raised and the draft went on unchanged.
    """

    stage: str
    window: tuple[int, int]
    tokens_before: int
    tokens_after: int
    edits: tuple[Edit, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The turns that are open for edits, and what they are about.

    Normally one turn; a whole prefix when a compaction advances the epoch. Stages see nothing after
    ``last_turn``, which is what makes plans append-only by construction.

    Attributes:
        question: what the window's last turn asks.
        budget_tokens: cap on the whole draft, framing included, or None.
        is_wish: whether the cap is what a compaction would like to reach, not what must be met.
        may_cut: whether a selective stage may still cut what is open; then nothing may point at it.
        compacted_tokens: what the last compaction left; 0 before the first.
    """

    first_turn: int
    last_turn: int
    question: str = ""
    budget_tokens: int | None = None
    is_wish: bool = False
    epoch: int = 0
    may_cut: bool = False
    compacted_tokens: int = 0


@dataclass(frozen=True)
class Draft:
    """Segments on their way through the stages. Changes only through `edit`.

    Without slots: every stage of every turn makes a draft, and a mapping is copied in one step.

    Attributes:
        request: what the caller sent.
        segments: everything up to the end of the window, in order; later text is not visible.
        frames: the shells of the messages up to there.
        window: which of them are open.
        count: the token counter of the target model family.
        base_tokens: what the request costs beside its messages (tool schemas, primed reply).
        floor_tokens: no segment smaller than this is touched.
        trace: one step per stage that ran, over all windows.
        history: an index of the first segments, all frozen; what it does not cover is looked at.

    Sequences are kept as `Growing`: what the history covers is shared with the drafts of earlier
    turns, so that a turn costs what it adds.
    """

    request: Request
    segments: Sequence[Segment]
    frames: Sequence[Frame]
    window: Window
    count: TokenCounter
    base_tokens: int = 0
    floor_tokens: int = 0
    trace: Sequence[Step] = ()
    history: History = field(default_factory=History, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Keep sequences so that they can grow."""
        for name in ("segments", "frames", "trace"):
            items = getattr(self, name)
            if not isinstance(items, Growing):
                object.__setattr__(self, name, Growing(items))

    @property
    def new_segments(self) -> Sequence[Segment]:
        """The segments that the history does not cover."""
        return self.segments[self.history.size :]

    @property
    def new_frames(self) -> Sequence[Frame]:
        """The frames that the history does not cover."""
        return self.frames[self.history.sums.frames :]

    @cached_property
    def sums(self) -> Sums:
        """What all messages up to the end of the window add up to."""
        return self.history.sums + Sums.of(self.new_segments, self.new_frames)

    @cached_property
    def tokens(self) -> int:
        """Tokens of the draft as it would be sent."""
        return self.base_tokens + self.sums.tokens

    @property
    def seen(self) -> Sequence[Message]:
        """The messages up to the end of the window, as the caller sent them."""
        size = self.frames[-1].message + 1 if self.frames else 0
        return Beginning(self.request.messages, size)

    @property
    def removed(self) -> frozenset[int]:
        """Indices of the messages that are not sent."""
        return frozenset(f.message for f in self.frames if f.removed)

    def is_open(self, segment: Segment) -> bool:
        """Whether stages may edit the segment in this window."""
        return segment.turn >= self.window.first_turn and not segment.protected

    def may_point(self, segment: Segment) -> bool:
        """Whether what the segment repeats may be replaced by pointers in this window."""
        is_result = segment.protected == RESULT and segment.turn >= self.window.first_turn
        return is_result or self.is_open(segment)

    def open_segments(self) -> list[Segment]:
        """The segments a stage may edit, in order; those under the floor are left out."""
        return self._open.copy()

    @cached_property
    def _open(self) -> list[Segment]:
        first, floor = self.window.first_turn, self.floor_tokens
        new = self.new_segments
        return [s for s in new if not s.protected and s.turn >= first and s.tokens >= floor]

    def edit(
        self, stage: str, edits: Iterable[Edit], notes: Sequence[tuple[str, str]] = ()
    ) -> Draft:
        """Apply edits, refuse those that do not shrink, and append the step.

        If the edits together do not shrink the draft, none is applied.

        Raises:
            EditError: an edit names something unknown, protected or frozen, or one thing twice, or
                would tear a tool call from its results.
        """
        edits = list(edits)
        here = (self.window.first_turn, self.window.last_turn)
        if not edits:
            return self.noting(Step(stage, here, self.tokens, self.tokens, notes=tuple(notes)))
        remarks = list(notes)
        gone = self._removals(stage, [e for e in edits if e.action == "remove"])
        changed, done = self._replacements(
            stage, [e for e in edits if e.action != "remove"], remarks
        )
        if any(s.message in gone for s in changed.values()):
            raise EditError(f"{stage}: a message that is removed is also edited")
        after = self._with(changed, gone) if changed or gone else self
        before_tokens = self.tokens
        tokens = after.tokens if changed or gone else before_tokens
        if (changed or gone) and tokens >= before_tokens:
            remarks.append(("", f"{stage}: the edits together would not shrink the request"))
            edits, done, after, tokens = [], [], self, before_tokens
        applied = {e.target for e in done}
        shown = tuple(e for e in edits if e.action == "remove" or e.target in applied)
        return after.noting(Step(stage, here, before_tokens, tokens, shown, tuple(remarks)))

    def opened(
        self,
        segments: Iterable[Segment],
        frames: Iterable[Frame],
        window: Window,
        *,
        base_tokens: int,
        sums: Sums,
    ) -> Draft:
        """The draft with one more window of text behind all that there is; that is frozen then."""
        after = self._but(
            segments=Growing.of(self.segments).froze().then(segments),
            frames=Growing.of(self.frames).froze().then(frames),
            trace=Growing.of(self.trace).froze(),
            history=self.history.grown(self.segments, self.sums),
            window=window,
            base_tokens=base_tokens,
            sums=sums,
            tokens=base_tokens + sums.tokens,
        )
        after.__dict__.pop("_open", None)
        return after

    def noting(self, *steps: Step) -> Draft:
        """The draft with steps behind those of its trace."""
        return self._but(trace=Growing.of(self.trace).then(steps)) if steps else self

    def _but(self, **values: Any) -> Draft:
        """The draft with other values, that nothing was worked out of."""
        after = object.__new__(Draft)
        after.__dict__.update(self.__dict__, **values)
        return after

    def _with(self, changed: Mapping[str, Segment], gone: Collection[int]) -> Draft:
        """The draft with segments in place of those of their ids, and without some messages."""
        segments = [
            replace(s, text="", tokens=0, level=2) if s.message in gone else changed.get(s.id, s)
            for s in self.new_segments
        ]
        frames = [replace(f, removed=True) if f.message in gone else f for f in self.new_frames]
        size, frozen = self.history.size, self.history.sums.frames
        return replace(
            self,
            segments=Growing.of(self.segments).upto(size, segments),
            frames=Growing.of(self.frames).upto(frozen, frames) if gone else self.frames,
        )

    def _replacements(
        self, stage: str, edits: Sequence[Edit], remarks: list[tuple[str, str]]
    ) -> tuple[dict[str, Segment], list[Edit]]:
        by_id = {s.id: s for s in self.new_segments} if edits else {}
        changed: dict[str, Segment] = {}
        done: list[Edit] = []
        for edit in edits:
            segment = by_id.get(edit.target) or self._frozen_segment(edit.target)
            if segment is None:
                raise EditError(f"{stage}: no segment {edit.target!r}")
            lossless = edit.level <= 1 and not edit.recall_id
            if not (self.is_open(segment) or (lossless and self.may_point(segment))):
                why = segment.protected or "frozen in an earlier turn"
                raise EditError(f"{stage}: segment {edit.target} may not change: {why}")
            if edit.target in changed:
                raise EditError(f"{stage}: two edits of segment {edit.target}")
            tokens = self._tokens_of(edit, segment)
            if edit.action == "mark":
                if segment.text not in edit.text:
                    raise EditError(f"{stage}: a mark of {edit.target} alters its text")
            elif tokens >= segment.tokens:
                remarks.append((segment.id, f"{edit.reason}: would not shrink"))
                continue
            changed[segment.id] = replace(
                segment, text=edit.text, tokens=tokens, level=max(segment.level, edit.level)
            )
            done.append(edit)
        return changed, done

    def _frozen_segment(self, name: str) -> Segment | None:
        return next((s for s in self.segments if s.id == name), None)

    def _frozen_frame(self, name: str) -> Frame | None:
        return next((f for f in self.frames if f.id == name), None)

    def _tokens_of(self, edit: Edit, segment: Segment) -> int:
        """What a segment costs after an edit; one that cuts keeps most of its lines."""
        if edit.level > 1:
            return self.count.edited(edit.text, segment.text)
        return self.count(edit.text) if edit.text else 0

    def _removals(self, stage: str, edits: Sequence[Edit]) -> set[int]:
        if not edits:
            return set()
        by_id = {f.id: f for f in self.new_frames}
        gone: set[int] = set()
        for edit in edits:
            frame = by_id.get(edit.target) or self._frozen_frame(edit.target)
            if frame is None:
                raise EditError(f"{stage}: no message {edit.target!r}")
            if frame.message in gone:
                raise EditError(f"{stage}: two edits of message {edit.target}")
            if frame.turn < self.window.first_turn or frame.role == "system":
                raise EditError(f"{stage}: message {edit.target} may not be removed")
            gone.add(frame.message)
        for segment in self.new_segments:
            if segment.message in gone and not self.is_open(segment):
                raise EditError(f"{stage}: message m{segment.message} holds protected text")
        groups = {f.group for f in self.new_frames if f.message in gone}
        torn = [f.id for f in self.new_frames if f.group in groups and f.message not in gone]
        if torn:
            raise EditError(f"{stage}: {', '.join(torn)} must go with the rest of its group")
        return gone

    def failed(self, stage: str, error: BaseException) -> Draft:
        """Record that a stage raised; the text stays as it was."""
        here = (self.window.first_turn, self.window.last_turn)
        why = f"{type(error).__name__}: {error}"[:300]
        return self.noting(Step(stage, here, self.tokens, self.tokens, error=why))


@dataclass(frozen=True, slots=True)
class Resources:
    """What stages may use beside the draft, chosen when the plan is made.

    Attributes:
        table: vectors of tokens, for stages with ``relevance: static``.
        encoder: vectors of texts, for stages with ``relevance: encoder``.
        reranker: scores of texts read together with the question, in place of an encoder.
        use: how much of a text encoder or reranker read.
        clock: seconds, rising; for deadlines only.
        scorer: a scorer of your own; it takes the place of the one that a policy names.
        explain: whether edits say of every unit why it was kept or dropped.
    """

    table: TokenTable | None = None
    encoder: Encoder | None = None
    reranker: Reranker | None = None
    use: EncoderUse = field(default_factory=EncoderUse)
    clock: Callable[[], float] = time.monotonic
    scorer: Scorer | None = None
    explain: bool = False
