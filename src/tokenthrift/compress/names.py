"""Names in text: ids, paths, identifiers. What later steps of an agent refer to."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = re.compile(
    r"\b(?=\w*\d)(?=\w*[A-Za-z_])\w{5,}\b"  # ids of letters and digits
    r"|\b\w+(?:[./-]\w+)+"  # paths, dotted and dashed names
    r"|\b[^\W_]+(?:_[^\W_]+)+"  # snake_case
    r"|\b[a-z]+[A-Z]\w+"  # camelCase
)


def recurring(texts: Iterable[str], limit: int) -> list[str]:
    """Names that stand in at least two of the texts, those in most texts first.

    Args:
        texts: the newest first; among equals the newest name comes first.
        limit: how many at most.
    """
    counts = Counter(name for text in texts for name in dict.fromkeys(NAME.findall(text)))
    return [name for name, n in counts.most_common() if n > 1][:limit]
