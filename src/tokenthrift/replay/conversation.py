"""One recorded line replayed: every request of it planned, priced and summed up.

A conversation is replayed as it grew: once before each run of assistant messages, and once more
where it ends with something still unanswered. No line is lost: one that cannot be read is a problem
with its place, a request that cannot be planned is priced as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from tokenthrift import wire
from tokenthrift.compress import Memo
from tokenthrift.errors import ReplayError, WireError
from tokenthrift.ledger import totals_of
from tokenthrift.pipeline import plan
from tokenthrift.replay.past import Past
from tokenthrift.replay.pricing import Label, Planned, Priced, Pricer
from tokenthrift.replay.readers import Recording, recording_of
from tokenthrift.report.explain import current_steps, reasons_kept, segment_lines, stage_lines
from tokenthrift.report.latency import Latencies
from tokenthrift.report.tally import FRAMING, Row, Tally, added
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenthrift.catalog import Catalog
    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.pipeline import Plan
    from tokenthrift.policy import Policy
    from tokenthrift.replay.lines import RawLine
    from tokenthrift.types import Message

Split: TypeAlias = Literal["auto", "conversation", "request"]

DEFAULT_MODEL: Final = "gpt-4o"
ID_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Options:
    """What a replay is asked to do.

    Attributes:
        policy: the policy to price.
        at: when the replay runs; the time of records whose line has none.
        model: of recordings that name none.
        split: whether lines are conversations; ``auto`` goes by their content.
        pause_s: seconds between two requests of a conversation, for the provider's cache.
        keep_records: whether records are wanted, beside their sums.
    """

    policy: Policy
    at: datetime
    model: str = DEFAULT_MODEL
    split: Split = "auto"
    pause_s: float = 0.0
    keep_records: bool = False

    @property
    def digest(self) -> str:
        """Of everything here that changes a result, and of the version that makes it."""
        parts = (
            version("tokenthrift"),
            self.policy.digest,
            self.policy.name,
            self.model,
            self.split,
            repr(self.pause_s),
        )
        return blake2b("\0".join(parts).encode(), digest_size=ID_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one line, or of several.

    Attributes:
        problems: ``file:line: why`` of what could not be read or planned.
    """

    tally: Tally
    records: tuple[LedgerRecord, ...] = ()
    problems: tuple[str, ...] = ()
    lines: int = 1


def replay_line(
    line: RawLine, options: Options, catalog: Catalog, clock: Callable[[], float]
) -> Replayed:
    """Replay one line.

    Args:
        line: as it stands in its file.
        options: what is asked.
        catalog: prices.
        clock: seconds, for the time that planning takes.
    """
    try:
        return _replayed(line, options, catalog, clock)
    except ReplayError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - one odd line must not lose the others; it is counted and shown
        problem = f"{line.where}: cannot be replayed: {type(error).__name__}: {error}"
    reason = problem.removeprefix(f"{line.where}: ").partition(":")[0]
    return Replayed(Tally(unread={reason: (1,)}), problems=(problem,))


def _replayed(
    line: RawLine, options: Options, catalog: Catalog, clock: Callable[[], float]
) -> Replayed:
    recording = recording_of(line)
    planned = _planned(recording, options, catalog, clock)
    pricer = Pricer(options.policy, catalog, seller=recording.seller, pause_s=options.pause_s)
    labels = _labels(line, recording, options, catalog, len(planned))
    priced = [pricer.price(p, label) for p, label in zip(planned, labels, strict=True)]
    return Replayed(
        _tally(recording, planned, priced),
        tuple(p.record for p in priced) if options.keep_records else (),
        tuple(f"{line.where}: {p.failure}" for p in planned if p.failure),
    )


def cuts_of(messages: Sequence[Message]) -> list[int]:
    """How many messages each request of a conversation had.

    Before every assistant message that does not follow another one, and at the end where the last
    message is not an assistant's. Nothing was asked before the first message.
    """
    roles = [m.role for m in messages]
    cuts = [
        i for i in range(1, len(roles)) if roles[i] == "assistant" and roles[i - 1] != "assistant"
    ]
    if roles and roles[-1] != "assistant":
        cuts.append(len(roles))
    return cuts


def is_conversation(recording: Recording, split: Split) -> bool:
    """Whether a recording is replayed as it grew."""
    return recording.form == "conversation" if split == "auto" else split == "conversation"


# ----------------------------------------------------------------------------------------- planning
def _planned(
    recording: Recording, options: Options, catalog: Catalog, clock: Callable[[], float]
) -> list[Planned]:
    body = {**recording.body, "model": recording.model or options.model}
    try:
        whole = wire.read(body, wire.detect(body))
    except WireError as error:
        where = f"{recording.source}:{recording.number}"
        raise ReplayError(f"{where}: not a chat request: {error}") from error
    cuts = [len(whole.messages)]
    if is_conversation(recording, options.split):
        cuts = cuts_of(whole.messages)
        if not cuts:
            where = f"{recording.source}:{recording.number}"
            raise ReplayError(f"{where}: only assistant messages: there is no request in it")
    memo = Memo()
    past = Past(options.policy.routing, catalog, options.pause_s)
    out = []
    for cut in cuts:
        asked = wire.upto(whole, cut)
        one = _plan(asked, options.policy, catalog, (memo, past), clock)
        answer = _answer(whole.messages, cut)
        logged = recording.output_tokens if cut == cuts[-1] else None
        out.append(replace(one, answer=answer, output_tokens=logged))
        past.served(one)
    return out


def _plan(
    body: Mapping[str, Any],
    policy: Policy,
    catalog: Catalog,
    before: tuple[Memo, Past],
    clock: Callable[[], float],
) -> Planned:
    memo, past = before
    counter_for(str(body["model"]))(" ")  # what follows is the time of planning, not of loading
    start = clock()
    try:
        request = wire.read(body, wire.detect(body))
        session = past.session(request)
        made = plan(request, policy, catalog=catalog, memo=memo, session=session)
    except Exception as error:  # noqa: BLE001 - a call that cannot be planned goes out as it is; it is counted and shown
        return _unplanned(body, error, (clock() - start) * 1_000)
    return Planned(made.request, made, (clock() - start) * 1_000)


def _unplanned(body: Mapping[str, Any], error: Exception, plan_ms: float) -> Planned:
    failure = f"{type(error).__name__}: {error}"
    return Planned(wire.read(body, wire.detect(body)), None, plan_ms, failure=failure)


def _answer(messages: Sequence[Message], cut: int) -> tuple[Message, ...]:
    """The run of assistant messages that follows a request."""
    end = cut
    while end < len(messages) and messages[end].role == "assistant":
        end += 1
    return tuple(messages[cut:end])


def _labels(
    line: RawLine, recording: Recording, options: Options, catalog: Catalog, requests: int
) -> list[Label]:
    """One label per request; ids are the same whenever the same line is replayed the same way."""
    digest = blake2b(line.data, digest_size=ID_BYTES)
    # The file's name, not its path: moving a recording does not make it another one.
    name = recording.source.rsplit("/", 1)[-1]
    for part in (options.digest, catalog.snapshot, name, str(line.number)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    at = options.at if recording.at_s is None else datetime.fromtimestamp(recording.at_s, UTC)
    stem = digest.hexdigest()
    source = name.encode("utf-8", "backslashreplace").decode()
    return [Label(f"replay-{stem}-{n}", at, source, recording.id) for n in range(1, requests + 1)]


# ------------------------------------------------------------------------------------------ summing
def _tally(recording: Recording, planned: Sequence[Planned], priced: Sequence[Priced]) -> Tally:
    totals = totals_of(p.record for p in priced)
    both = [
        (p.billed_before_tokens, p.billed_after_tokens)
        for p in priced
        if p.billed_before_tokens is not None and p.billed_after_tokens is not None
    ]
    plans = [p.plan for p in planned if p.plan is not None]
    reported = recording.reported_cost is not None and recording.reported_cost.nanos > 0
    failures: dict[str, Row] = {}
    for one in planned:
        if one.failure:
            failures = added(failures, {one.failure.partition(":")[0]: (1,)})
    return Tally(
        conversations=1,
        totals=totals,
        billed_before_tokens=sum(b for b, _ in both),
        billed_after_tokens=sum(a for _, a in both),
        unanswered=sum(not p.answered for p in planned),
        epochs=plans[-1].epoch if plans else 0,
        reported_calls=int(reported),
        reported_cost_nanos=recording.reported_cost.nanos if reported else 0,  # type: ignore[union-attr]  # told by `reported`
        reported_input_tokens=recording.reported_input_tokens or 0,
        recounted_input_tokens=(
            totals.counted_baseline_tokens if recording.reported_input_tokens else 0
        ),
        models=_models(planned),
        failed=failures,
        latencies=Latencies.of(p.plan_ms for p in planned if p.plan is not None),
        **_of_plans(plans),
    )


def _of_plans(plans: Sequence[Plan]) -> dict[str, dict[str, Row]]:
    """Tables of stages, kinds, reasons and errors; a text's reason and an error count once."""
    stages: dict[str, Row] = {}
    kinds: dict[str, Row] = {}
    kept: dict[str, Row] = {}
    errors: dict[str, Row] = {}
    turn = 0
    for made in plans:
        for stage in stage_lines(current_steps(made.trace)):
            row = (stage.runs, stage.edits, stage.tokens_saved, len(stage.errors))
            stages = added(stages, {stage.stage: row})
        kinds = added(kinds, _kinds(made))
        kept = added(kept, reasons_kept(segment_lines(made, turn)))
        new = [s for s in made.trace if s.error and max(s.window[1], 0) >= turn]
        for step in new:
            errors = added(errors, {f"{step.stage}: {step.error.partition(':')[0]}": (1,)})
        turn = made.draft.window.last_turn + 1
    return {"stages": stages, "kinds": kinds, "kept": kept, "stage_errors": errors}


def _kinds(made: Plan) -> dict[str, Row]:
    rows: dict[str, tuple[int, int, int]] = {}
    for segment in made.draft.segments:
        n, before, after = rows.get(segment.kind, (0, 0, 0))
        original = made.count(segment.original)
        rows[segment.kind] = (n + 1, before + original, after + segment.tokens)
    framing = (made.framing_tokens_before, made.framing_tokens_after)
    return {**rows, FRAMING: (len(made.draft.frames), *framing)}


def _models(planned: Sequence[Planned]) -> dict[str, Row]:
    out: dict[str, Row] = {}
    for one in planned:
        name = one.request.model
        out = added(out, {name if one.model == name else f"{name} -> {one.model}": (1,)})
    return out
