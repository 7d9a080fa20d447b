"""Programs that some tests need: where they are, or a clear word that they are not there."""

from __future__ import annotations

import os
import shutil

import pytest


def program(package: str, *names: str) -> str:
    """Where a program is; without it the test is skipped, and on the gate it fails.

    Args:
        package: the Debian package that has it.
        names: what it is called, the first that is found; the package's own name if none is given.
    """
    for name in names or (package,):
        found = shutil.which(name)
        if found is not None:
            return found
    reason = f"{package} is not installed (Debian: apt-get install {package})"
    return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
