"""What users' type checkers say of the public API: nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("node") is None, reason="pyright needs node")
def test_pyright_strict_agrees(tmp_path: Path) -> None:
    """Pyright, strict, reads ``typing_api.py`` without a word; mypy reads it with the sources."""
    settings = {
        "typeCheckingMode": "strict",
        "reportMissingTypeStubs": "none",  # litellm has none
        "include": [os.path.relpath(ROOT / "tests" / "typing_api.py", tmp_path)],
        "extraPaths": [str(ROOT / "src")],
        "pythonVersion": "3.11",
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    found = subprocess.run(
        [
            *(sys.executable, "-m", "pyright", "--project", str(config), "--outputjson"),
            *("--pythonpath", sys.executable),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    if found.returncode not in (0, 1):
        pytest.skip(f"pyright cannot run here: {found.stderr.strip()[-200:]}")
    said = json.loads(found.stdout)
    assert [(d["range"]["start"]["line"], d["message"]) for d in said["generalDiagnostics"]] == []
    assert said["summary"]["filesAnalyzed"] == 1
