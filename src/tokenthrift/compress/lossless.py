"""Stages that write a text in another form that loses nothing: tables, logs, searches."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from tokenthrift.compress import forms, searches, tables
from tokenthrift.compress.stage import Reach
from tokenthrift.draft import Draft, Edit, Resources


class Json(BaseModel):
    """Write JSON without white space and arrays of like objects as tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reach: ClassVar = Reach(frozenset({"json"}))
    stage: Literal["json"] = "json"

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Encode every open JSON segment that gets smaller."""
        edits, notes = [], []
        for segment in draft.open_segments():
            if segment.kind != "json":
                continue
            text = tables.encode(segment.text)
            if text is None:
                notes.append((segment.id, "json: already as short as it gets, or not valid JSON"))
                continue
            edits.append(Edit(segment.id, "replace", text + _tail(segment.text), "json as a table"))
        return draft.edit(self.name, edits, notes)


class Log(BaseModel):
    """Write the words that many lines of a log share once, and of each line what is its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reach: ClassVar = Reach(frozenset({"log"}))
    stage: Literal["log"] = "log"

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Encode every open log that gets smaller by enough."""
        edits, notes = [], []
        for segment in draft.open_segments():
            if segment.kind != "log":
                continue
            text = forms.encode(segment.text)
            if text is None:
                notes.append((segment.id, "log: its lines share too little"))
            else:
                edits.append(Edit(segment.id, "replace", text, "shared words of lines once"))
        return draft.edit(self.name, edits, notes)


class Search(BaseModel):
    """Write results of a search by file: its path once, then ``line:text``, as ripgrep shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reach: ClassVar = Reach(frozenset({"search"}))
    stage: Literal["search"] = "search"
    folders: bool = False
    """Whether names of files are written below their folder too. It saves most on lists of files,
    but no line shows a whole path any more."""

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Encode every open search result that gets smaller."""
        edits, notes = [], []
        for segment in draft.open_segments():
            if segment.kind != "search":
                continue
            text = searches.encode(segment.text, folders=self.folders)
            if text is None:
                notes.append((segment.id, "search: no path stands in several lines in a row"))
                continue
            edits.append(Edit(segment.id, "replace", text, "search results by file"))
        return draft.edit(self.name, edits, notes)


def _tail(text: str) -> str:
    """One line break where the original ended with one, so that what follows stays apart."""
    return "\n" if text.endswith("\n") else ""
