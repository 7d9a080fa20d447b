"""Labels whose values are bounded: callers choose names of models and tags, and series cost money.

The first values of a label are kept, each further one is counted as ``other``.
"""

from __future__ import annotations

import threading
from typing import Final

OTHER: Final = "other"
MOST_VALUES: Final = 100
LONGEST: Final = 128  # characters of a value


class Bounded:
    """Values of labels as they may be written. Safe with threads.

    Args:
        most_values: of each label; what comes later is ``other``.
    """

    def __init__(self, most_values: int = MOST_VALUES) -> None:
        if most_values < 1:
            raise ValueError(f"most_values is {most_values}; at least 1 value must be told apart")
        self._most = most_values
        self._seen: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def __call__(self, label: str, value: str) -> str:
        """The value, or ``other`` where the label has as many as it may."""
        value = value[:LONGEST]
        with self._lock:
            seen = self._seen.setdefault(label, set())
            if value not in seen and len(seen) >= self._most:
                return OTHER
            seen.add(value)
        return value
