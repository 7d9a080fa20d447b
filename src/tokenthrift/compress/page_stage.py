"""The stage that writes web pages as text, without markup, scripts and addresses of links.

All text stays, menus too: what is main text is for the selection to say. Pages that are source
code to somebody are left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from tokenthrift.compress.kinds import kind_of
from tokenthrift.compress.markers import page_mark, recall_id
from tokenthrift.compress.pages import is_page, read_page
from tokenthrift.compress.question import trajectory_of
from tokenthrift.compress.stage import Reach
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from tokenthrift.types import Segment

MIN_WORDS: Final = 50  # a page with less text is a program that would write it

# Whoever speaks of these wants to see them.
_ABOUT_MARKUP = re.compile(
    r"\b(?:html|css|xpath|selectors?|scrap(?:e|er|ing)|markup|tags?|dom|scripts?|javascript|href|"
    r"urls?|links?|hyperlinks?|iframes?|attributes?|metadata|beautifulsoup|queryselector)\b"
    r"|</?[a-z][a-z0-9]*[\s>]",
    re.IGNORECASE,
)
_EDITS_PAGES = re.compile(
    r"[\w/-]\.(?:html?|css|jsx?|tsx?|vue|svelte)\b|\b(?:xpath|beautifulsoup|queryselector)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://\S+")
_TEMPLATE = re.compile(r"\{\{|\{%|<\?php|<%")


class Html(BaseModel):
    """Write web pages as text: no markup, no scripts, no addresses of links."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reach: ClassVar = Reach()
    stage: Literal["html"] = "html"

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 1

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Write every open page as text that gets smaller by it."""
        # A fenced page does not begin its part: it is code.
        pages = [s for s in draft.open_segments() if not s.span[0] and is_page(s.text)]
        if pages and (why := _markup_matters(draft)):
            return draft.edit(self.name, [], [(s.id, f"html: {why}") for s in pages])
        edits, notes = [], []
        for segment in pages:
            text = _written(segment)
            if text is None:
                notes.append((segment.id, "html: not a page of text that can be read"))
                continue
            address = recall_id([segment.text])
            edits.append(
                Edit(
                    segment.id,
                    "replace",
                    page_mark(address) + text,
                    "web page as text",
                    recall_id=address,
                    omitted=(segment.text,),
                )
            )
        return draft.edit(self.name, edits, notes)


def _markup_matters(draft: Draft) -> str:
    """Why the window is about markup, or an empty string."""
    question = _ADDRESS.sub(" ", draft.window.question)
    if kind_of(question) != "html" and (found := _ABOUT_MARKUP.search(question)):
        return f"the question is about markup ({found[0].strip()})"
    found = _EDITS_PAGES.search(_ADDRESS.sub(" ", trajectory_of(draft.seen)))
    return f"the work is on pages ({found[0]})" if found else ""


def _written(segment: Segment) -> str | None:
    page = read_page(segment.original) if segment.text == segment.original else None
    if page is None or sum(line.words for line in page.lines) < MIN_WORDS:
        return None
    if any(line.kind != "code" and _TEMPLATE.search(line.text) for line in page.lines):
        return None
    return "\n".join(line.text for line in page.lines)
