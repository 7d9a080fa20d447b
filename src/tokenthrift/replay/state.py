"""What a replay has finished, in a file that survives interruption at any point.

JSON Lines, one line per finished batch: its key (a digest of the lines, the policy and all options)
and its sums. Lines are only added; half a line at the end, left by a kill, is passed over.
"""

from __future__ import annotations

import json
import os
from typing import IO, TYPE_CHECKING, Self

from tokenthrift.errors import ReplayError
from tokenthrift.replay.conversation import Replayed
from tokenthrift.report.tally import dumped, loaded

if TYPE_CHECKING:
    from pathlib import Path


class StateFile:
    """Finished batches by key, in memory and in a file.

    Args:
        path: the file; made where it does not exist.

    Raises:
        ReplayError: it cannot be read or written, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[str, Replayed] = {}
        try:
            whole = self._read()
            self._file: IO[str] = path.open("a", encoding="utf-8")
            if not whole:
                self._file.write("\n")
        except OSError as error:
            raise ReplayError(f"{path}: cannot keep the state: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._done)

    def get(self, key: str) -> Replayed | None:
        """What came of a batch, if it was finished before."""
        return self._done.get(key)

    def put(self, key: str, result: Replayed) -> None:
        """Add a finished batch; it is in the file when this returns.

        Raises:
            ReplayError: the file cannot be written.
        """
        self._done[key] = result
        line = {
            "key": key,
            "lines": result.lines,
            "problems": list(result.problems),
            "tally": dumped(result.tally),
        }
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ReplayError(f"{self._path}: cannot keep the state: {error.strerror}") from error

    def _read(self) -> bool:
        """Read what is there; whether the file ends with a whole line."""
        if not self._path.exists():
            return True
        whole = True
        found = 0
        with self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                whole = line.endswith("\n")
                found += bool(line.strip())
                self._take(line)
        if found > 1 and not self._done:
            raise ReplayError(
                f"{self._path}: not the state of a replay; name another file with --state"
            )
        return whole

    def _take(self, line: str) -> None:
        try:
            raw = json.loads(line)
            self._done[str(raw["key"])] = Replayed(
                loaded(raw["tally"]), problems=tuple(raw["problems"]), lines=int(raw["lines"])
            )
        except (ValueError, KeyError, TypeError):
            return
