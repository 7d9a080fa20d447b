"""Pages of their own: one file of HTML with its style and its charts in it, that asks for nothing.

Every text goes through the template's escaping, and the page's own policy forbids any script but
the one it came with. The same values give the same bytes.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tokenthrift.report import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment


def page(name: str, styles: Sequence[str] = (), *, script: str = "", **values: Any) -> str:
    """A page as HTML.

    Args:
        name: of its template; those of ``styles`` and ``script`` are files beside it.
        styles: behind the style that all pages share.
        script: the only one that may run; none is the default.
        values: what the template names.
    """
    code = _text(script) if script else ""
    return (
        _environment()
        .get_template(f"{name}.html")
        .render(
            version=version("tokenthrift"),
            style="".join(_text(f"{style}.css") for style in ("page", *styles)),
            script=code,
            script_hash=b64encode(sha256(code.encode()).digest()).decode() if code else "",
            **values,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["count"] = formats.count
    made.filters["share"] = formats.share
    made.filters["visible"] = formats.visible
    return made


def _text(name: str) -> str:
    return (resources.files("tokenthrift.report") / "templates" / name).read_text(encoding="utf-8")
