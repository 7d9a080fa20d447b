"""Arrays and words in one ``.npz``: what fitted routing is held in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from tokenthrift.errors import TokenthriftError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["AdequacyError", "read_arrays", "write_arrays"]


class AdequacyError(TokenthriftError):
    """The file is missing or holds no fitted adequacy; the message names it and what to do."""


def write_arrays(path: Path, arrays: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    """Write arrays by name, and words as JSON beside them.

    Args:
        path: is written over.
        arrays: none is called ``words``.
        words: JSON.
    """
    text = np.frombuffer(json.dumps(words, sort_keys=True).encode(), np.uint8)
    with path.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, words=text, **arrays)


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and words of a file.

    Raises:
        AdequacyError: it is not there or is no such file.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        return arrays, json.loads(arrays.pop("words").tobytes())
    except FileNotFoundError as error:
        raise AdequacyError(
            f"{path}: no such file; fit one, or install tokenthrift again"
        ) from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise AdequacyError(f"{path}: no fitted adequacy ({error}); fit it again") from error
