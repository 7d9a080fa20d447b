"""Policies: YAML <-> validated models. The validated entry of a stage *is* the stage.

Unknown keys are errors that say where and name the nearest valid word. Policies are data: nothing
is read from the environment, and the digest of what was read goes into every ledger record.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from functools import cached_property, lru_cache
from importlib import resources as package_resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
)

from tokenthrift.addresses import scheme_of, shown
from tokenthrift.compress import (
    Budget,
    Compaction,
    Dedupe,
    Digest,
    Elide,
    Html,
    Json,
    Log,
    Recall,
    Redact,
    Rules,
    Search,
    Select,
    Tools,
)
from tokenthrift.compress.syntax import check as check_syntax
from tokenthrift.draft import Resources
from tokenthrift.encoders import EncoderSettings, load_encoder, load_reranker
from tokenthrift.encoders.static import load_static
from tokenthrift.errors import PolicyError, TokenthriftError
from tokenthrift.experiment import Holdout
from tokenthrift.limits import Leases, LimitRules
from tokenthrift.route import Routing
from tokenthrift.route.adequacy import Adequacy, shipped
from tokenthrift.tokens import encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

    from tokenthrift.compress.stage import Stage
    from tokenthrift.route import Forecaster

__all__ = ["Policy", "json_schema", "load_policy", "shipped_policies", "stage_registry"]

BUILT_IN: Final[dict[str, type[BaseModel]]] = {
    "json": Json,
    "html": Html,
    "log": Log,
    "search": Search,
    "dedupe": Dedupe,
    "elide": Elide,
    "select": Select,
    "digest": Digest,
}
ENTRY_POINTS: Final = "tokenthrift.stages"
MAPPING: Final = "<mapping>"
SHIPPED: Final = "shipped"


@lru_cache(maxsize=1)
def stage_registry() -> dict[str, type[BaseModel]]:
    """Stage classes by their word: built in, then those of installed packages (entry points)."""
    found = dict(BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, point.load())
    return found


def _stage(entry: Any) -> Any:
    if isinstance(entry, BaseModel):
        if not callable(entry) or not hasattr(entry, "level"):
            raise ValueError(f"{type(entry).__name__} is no stage: it cannot be called on a draft")
        return entry
    if not isinstance(entry, dict) or "stage" not in entry:
        raise ValueError("a stage is a mapping with a key 'stage', e.g. {stage: dedupe}")
    registry = stage_registry()
    word = entry["stage"]
    if not isinstance(word, str) or word not in registry:
        raise ValueError(f"no stage {word!r}{_nearest(str(word), registry)}")
    return registry[word].model_validate(entry)


StageEntry = Annotated[SerializeAsAny[BaseModel], BeforeValidator(_stage)]
EncoderEntry = Annotated[
    EncoderSettings | None,
    BeforeValidator(EncoderSettings.of, json_schema_input_type=str | EncoderSettings | None),
]


class Policy(BaseModel):
    """What to do with calls."""

    # What was given may hold a password; our own messages take care of that.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    version: Literal[1] = 1
    """Of the policy format."""
    name: str = "unnamed"
    """Shown in reports."""
    description: str = ""
    """For people."""
    scope: Literal["conversation", "request"] = "conversation"
    """``conversation``: each turn is compressed once and frozen, so provider caches keep hitting.
    ``request``: every request is a one-off and may be cut anywhere for its last question."""
    floor_tokens: int = Field(default=120, ge=0)
    """No segment smaller than this is touched."""
    stages: tuple[StageEntry, ...] = ()
    """In order; those that lose nothing run before those that select."""
    budget: Budget = Budget()
    """Hard cap on input tokens."""
    compaction: Compaction = Compaction()
    """When a conversation's past is compressed again."""
    routing: Routing = Routing()
    """Which model a call goes to."""
    limits: LimitRules = ()
    """How much calls may take in a window of time, by whom."""
    leases: Leases = Leases()
    """How amounts are held while calls run."""
    holdout: Holdout = Holdout()
    """Which sessions are treated, and which are left alone to measure what that saves."""
    recall: Recall = Recall()
    """How text that was cut can be had back."""
    redact: Redact | None = None
    """Which secrets are replaced before anything is sent (extra ``redact``). None: none is."""
    tools: Tools = Tools()
    """What is done to tool schemas."""
    cards: str | None = None
    """YAML file with model cards of your own, relative to the policy's file."""
    encoder: EncoderEntry = None
    """For stages with ``relevance: encoder``: the folder or locally cached name of a
    sentence-transformers model (extra ``semantic``), or a mapping that says more. Never
    downloaded."""
    on_stage_error: Literal["pass", "raise"] = "pass"
    """``pass``: a stage that raises is recorded and skipped; the call goes on."""

    _source: str = PrivateAttr(default=MAPPING)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values; what was derived from the old ones is derived anew."""
        made = super().model_copy(update=update, deep=deep)
        for name in ("digest", "aids", "rules"):
            made.__dict__.pop(name, None)
        return made

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of everything that changes a plan (16 hex digits).

        Who is treated is no part of it: a rollout that grows is the same treatment.
        """
        data = self.model_dump(mode="json", exclude={"name", "description", "holdout"})
        for key in ("store", "ttl_days"):  # where originals lie does not change what is sent
            del data["recall"][key]
        del data["leases"]["store"]
        if (
            not self.limits
        ):  # a policy without limits is the policy that it was before there were any
            del data["limits"], data["leases"]
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def source(self) -> str:
        """The file the policy was read from, or ``<mapping>``."""
        return self._source

    @property
    def cards_path(self) -> Path | None:
        """Where the user's own model cards are."""
        return None if self.cards is None else Path(self._source).parent / self.cards

    @property
    def recall_store(self) -> str | Path | None:
        """Where what was cut is kept: a server's URL, a file, or None for memory."""
        store = self.recall.store
        if store is None or scheme_of(store):
            return store
        return Path(self._source).parent / store

    @property
    def forecaster(self) -> Forecaster | None:
        """What is known of outcomes: the abilities that the policy names; read on first use.

        Raises:
            PolicyError: the file is missing, or holds no abilities.
        """
        name = self.routing.adequacy
        if name is None:
            return None
        path = Path(self._source).parent / name
        try:
            return shipped() if name == SHIPPED else _abilities(path)
        except (OSError, ValueError, KeyError, TokenthriftError) as error:
            hint = "write it with: tokenthrift calibrate LOG --out POLICY"
            problem = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
            raise PolicyError(self._source, "routing.adequacy", problem, hint) from error

    @property
    def limits_store(self) -> Path | None:
        """The file that counts for limits, or None for memory."""
        store = self.leases.store
        return None if store is None else Path(self._source).parent / store

    @cached_property
    def aids(self) -> frozenset[str]:
        """What stages need to be loaded: a ``syntax`` parser, the ``static`` table."""
        codes = {getattr(stage, "code", "") for stage in self.stages}
        rungs = {getattr(stage, "relevance", "") for stage in self.stages}
        return frozenset(codes & {"syntax"} | rungs & {"static"})

    @property
    def resources(self) -> Resources:
        """What stages may use beside the draft; loads table and models on first use.

        Raises:
            MissingExtraError: what a stage or the encoder needs is not installed.
        """
        if "syntax" in self.aids:
            check_syntax()
        table = None
        if "static" in self.aids:
            table = load_static(encoding("o200k_base").encode_ordinary)
        settings = self.encoder
        if settings is None:
            return Resources(table=table)
        if settings.kind == "cross":
            return Resources(table=table, reranker=load_reranker(settings), use=settings.use)
        return Resources(table=table, encoder=load_encoder(settings), use=settings.use)

    @cached_property
    def rules(self) -> Rules:
        """What compression needs to know."""
        stages: tuple[Stage, ...] = self.stages  # type: ignore[assignment]  # checked by _stage
        return Rules(
            stages=stages,
            digest=self.digest,
            scope=self.scope,
            floor_tokens=self.floor_tokens,
            budget=self.budget,
            compaction=self.compaction,
            raise_stage_errors=self.on_stage_error == "raise",
        )


@lru_cache(maxsize=8)
def _abilities(path: Path) -> Adequacy:
    return Adequacy.load(path)


def load_policy(source: str | Path | Mapping[str, Any] | Policy = "balanced") -> Policy:
    """Read a policy.

    Args:
        source: the name of a shipped policy, a YAML file, a mapping, or a policy already read.

    Raises:
        PolicyError: says file, path, and the nearest valid word.
    """
    if isinstance(source, Policy):
        return source
    if not isinstance(source, str | Path):
        return _validated(dict(source), MAPPING)
    path = Path(source)
    if isinstance(source, str) and source in shipped_policies():
        path = shipped_policies()[source]
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(str(path), "", "is not UTF-8 text", "save the file as UTF-8") from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        words = shipped_policies()
        hint = f"give a file or one of: {', '.join(words)}{_nearest(str(source), words)}"
        why = getattr(error, "strerror", None) or error
        raise PolicyError(str(source), "", f"cannot be read: {why}", hint) from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise PolicyError(str(path), where, "is not YAML") from error
    if not isinstance(data, dict):
        raise PolicyError(str(path), "", "must be a mapping", "start with 'version: 1'")
    policy = _validated(data, str(path))
    policy._source = str(path)  # noqa: SLF001 - the loader is the one place that knows it
    return policy


def shipped_policies() -> dict[str, Path]:
    """The policies that come with the package, by name."""
    packaged = Path(str(package_resources.files("tokenthrift"))) / "policies"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "policies"
    return {p.stem: p for p in sorted(folder.glob("*.yaml"))}


def json_schema() -> dict[str, Any]:
    """JSON Schema of policy files, for editors."""
    schema = Policy.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema.setdefault("$defs", {})
    words = []
    for word, model in stage_registry().items():
        own = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(own.pop("$defs", {}))
        own["required"] = sorted({*own.get("required", ()), "stage"})
        definitions[f"stage.{word}"] = own
        words.append({"$ref": f"#/$defs/stage.{word}"})
    schema["properties"]["stages"]["items"] = {"oneOf": words}
    return schema


def _validated(data: dict[str, Any], source: str) -> Policy:
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        first, *more = error.errors()
        path, problem, hint = _explained(first, data)
        if more:
            problem += f" (and {len(more)} more: {', '.join(_path(e) for e in more)})"
        raise PolicyError(source, path, problem, hint) from error


def _explained(error: ErrorDetails, data: Any) -> tuple[str, str, str]:
    path = _path(error)
    if error["type"] != "extra_forbidden":
        message = error["msg"].removeprefix("Value error, ")
        given = error.get("input")
        plain = shown(given) if isinstance(given, str) else given
        got = "" if isinstance(given, dict | list | tuple) else f", got {plain!r}"
        quote = error["type"] == "string_type" and isinstance(given, bool)
        hint = "YAML reads on, off, yes and no as truth values; quote the word" if quote else ""
        return path, message + got, hint
    key = str(error["loc"][-1])
    known = _keys_at(error["loc"][:-1], data)
    return path, f"unknown key {key!r}", f"valid: {', '.join(known)}{_nearest(key, known)}"


def _path(error: ErrorDetails) -> str:
    return ".".join(str(p) for p in error["loc"])


def _keys_at(location: tuple[int | str, ...], data: Any) -> list[str]:
    """The keys that are valid where an unknown one was found."""
    model: type[BaseModel] | None = Policy
    for step in location:
        data = _below(data, step)
        if isinstance(step, int):
            if isinstance(data, dict) and data.get("stage") in stage_registry():
                model = stage_registry()[data["stage"]]
            continue
        field = model.model_fields.get(step) if model else None
        model = _model_in(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _below(data: Any, step: int | str) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    return data[step] if isinstance(data, list) and isinstance(step, int) else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
