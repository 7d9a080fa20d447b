"""A policy in words: what each stage does with its settings, budgets, routing.

The words are those of the code: class docstrings and the descriptions of fields, so that they
cannot drift from it.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from rich.text import Text

from tokenthrift.addresses import shown
from tokenthrift.report.formats import printable
from tokenthrift.report.tables import FAINT, Cell, Column, stacked, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from tokenthrift.policy import Policy

LEVELS: Final = {
    0: "changes nothing",
    1: "no word is lost: what goes is form, or stands elsewhere",
    2: "selective: text is left out, with a mark in its place",
    3: "digest: old turns shrink to their skeleton",
}
_ATTRIBUTE = re.compile(r"^(\w+):\s+(.*)$")


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting of a policy: its key, value, whether it is the default, and what it means."""

    key: str
    value: str
    default: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a policy: a stage, the budget, routing; what it does and its settings."""

    name: str
    does: str
    settings: tuple[SettingLine, ...]


def policy_sections(policy: Policy) -> tuple[Section, ...]:
    """A policy as sections, in the order in which they act."""
    plain = {"version", "name", "description", "stages", "limits"}
    sections = [_section("policy", policy, policy.description or _summary(type(policy)), plain)]
    for number, stage in enumerate(policy.stages, 1):
        word = str(getattr(stage, "name", type(stage).__name__))
        level = int(getattr(stage, "level", 0))
        does = f"{_summary(type(stage))} ({LEVELS.get(level, f'level {level}')})"
        sections.append(_section(f"stage {number}: {word}", stage, does, {"stage"}))
    for rule in policy.limits:
        said = _section("", rule, "", {"name"}).settings
        settings = tuple(line for line in said if not line.default)
        sections.append(Section(f"limit {rule.name}", rule.words, settings))
    for name in type(policy).model_fields:
        value = getattr(policy, name)
        if isinstance(value, BaseModel):
            sections.append(_section(name, value, _summary(type(value)), set()))
    return tuple(sections)


def policy_json(policy: Policy) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "name": policy.name,
        "digest": policy.digest,
        "source": policy.source,
        "sections": [asdict(section) for section in policy_sections(policy)],
    }


def policy_view(policy: Policy) -> Group:
    """The same for a terminal."""
    head = Text(f"policy {printable(policy.name)}", style="bold")
    head.append(f"  {policy.digest}  {printable(policy.source)}", style=FAINT)
    parts: list[Any] = [head]
    for section in policy_sections(policy):
        title = Text(section.name, style="bold")
        title.append(f"  {printable(section.does)}", style="not bold")
        rows: list[list[Cell]] = [
            [
                Text(line.key, style=FAINT if line.default else ""),
                Text(printable(line.value), style=FAINT if line.default else "bold"),
                Text(printable(line.meaning), style=FAINT if line.default else ""),
            ]
            for line in section.settings
        ]
        columns = [Column(head, number=False) for head in ("setting", "value", "meaning")]
        parts += [title, table("", columns, rows)] if rows else [title]
    return stacked(*parts)


def policies_view(policies: Sequence[Policy]) -> Group:
    """Policies in a table: name, stages, what they are for."""
    rows: list[list[Cell]] = [
        [
            Text(policy.name, style="bold"),
            ", ".join(str(getattr(s, "name", type(s).__name__)) for s in policy.stages) or "none",
            printable(policy.description),
        ]
        for policy in policies
    ]
    columns = [Column(head, number=False) for head in ("policy", "stages", "what it does")]
    return stacked(table("", columns, rows))


def field_meanings(model: type[BaseModel]) -> dict[str, str]:
    """What each field of a model means, from wherever its author wrote it.

    In order: the field's description, the docstring after the field, the class docstring's
    ``Attributes:`` section.
    """
    written = {**_attributes_section(model), **_docstrings(model)}
    return {
        name: _line(field.description or written.get(name, ""))
        for name, field in model.model_fields.items()
    }


def _section(name: str, model: BaseModel, does: str, left_out: set[str]) -> Section:
    meanings = field_meanings(type(model))
    settings = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if key in left_out or (isinstance(value, BaseModel) and name == "policy"):
            continue
        default = not field.is_required() and value == field.get_default(call_default_factory=True)
        settings.append(SettingLine(key, _value(value), default, meanings[key]))
    return Section(name, does, tuple(settings))


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, BaseModel):
        said = value.model_dump(exclude_defaults=True, mode="json")
        return ", ".join(f"{k} {v}" for k, v in said.items()) or "as default"
    if isinstance(value, dict):
        return "; ".join(f"{k} {_value(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        many = (
            sorted(map(_value, value)) if isinstance(value, set | frozenset) else map(_value, value)
        )
        separator = "\n" if any(isinstance(v, BaseModel) for v in value) else ", "
        return separator.join(many) or "none"
    if isinstance(value, int):
        return f"{value:,}"
    return shown(str(value))


def _summary(model: type[BaseModel]) -> str:
    """The first paragraphs of a docstring, up to its sections."""
    text = inspect.cleandoc(model.__doc__ or "")
    return _line(re.split(r"\n(?:Attributes|Args|Raises):\n", text)[0])


def _line(text: str) -> str:
    return " ".join(text.replace("``", "").split())


def _attributes_section(model: type[BaseModel]) -> dict[str, str]:
    text = inspect.cleandoc(model.__doc__ or "")
    found = re.search(r"^Attributes:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE)
    out: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent(found[1]).splitlines() if found else ():
        match = _ATTRIBUTE.match(line)
        if match:
            name = match[1]
            out[name] = match[2]
        elif name:
            out[name] += " " + line.strip()
    return out


@lru_cache(maxsize=64)
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Texts that stand right after a field in the class body; empty where there is no source."""
    out: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                out[field.target.id] = text.value.value
    return out
