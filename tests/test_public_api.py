"""The public names: present, lazy, light to import, and the same to type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tokenthrift
from tokenthrift import errors

HEAVY = ("litellm", "openai", "torch", "sentence_transformers", "starlette", "pydantic", "numpy")
SOURCE = Path(tokenthrift.__file__ or "")


def run(code: str) -> str:
    """The output of a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_all_is_sorted_and_complete():
    """``__all__`` is sorted, every name in it can be had, and ``dir`` lists it."""
    assert list(tokenthrift.__all__) == sorted(tokenthrift.__all__)
    for name in tokenthrift.__all__:
        assert getattr(tokenthrift, name) is not None
    assert set(tokenthrift.__all__) <= set(dir(tokenthrift))


def test_every_error_is_public():
    """The whole error tree can be caught from the top."""
    assert set(errors.__all__) <= set(tokenthrift.__all__)


def test_type_checkers_see_what_runs():
    """The imports for type checkers are exactly ``__all__``, from the modules they come from."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == list(tokenthrift.__all__)
    for name, module in seen.items():
        shown = getattr(tokenthrift, name)  # imports the module
        assert getattr(sys.modules[str(module)], name) is shown


def test_unknown_names_are_attribute_errors():
    """A misspelt name says which module has no such attribute."""
    with pytest.raises(AttributeError, match="'tokenthrift' has no attribute 'warp'"):
        _ = tokenthrift.warp
    with pytest.raises(ImportError):
        exec("from tokenthrift import warp")


def test_the_version_is_the_packages():
    """``__version__`` is that of the installed package."""
    from importlib.metadata import version

    assert tokenthrift.__version__ == version("tokenthrift")


def test_importing_pulls_in_nothing_heavy():
    """``import tokenthrift`` loads no SDK and none of our own modules."""
    loaded = run("import sys, tokenthrift; print(*sorted(sys.modules))").split()
    assert [m for m in loaded if m.startswith("tokenthrift")] == ["tokenthrift"]
    assert not set(HEAVY) & set(loaded)


def test_a_plan_needs_no_sdk():
    """Planning loads neither litellm nor openai nor torch."""
    code = (
        "import sys, tokenthrift\n"
        "p = tokenthrift.plan({'model': 'gpt-4o', 'messages': []})\n"
        "print(p.model, *sorted({'litellm', 'openai', 'torch'} & set(sys.modules)))"
    )
    assert run(code) == "gpt-4o"


def test_clients_import_litellm_at_the_first_call_only():
    """Making a client, and planning with it, does not import litellm."""
    code = (
        "import sys, tokenthrift\n"
        "c = tokenthrift.Client()\n"
        "c.plan(model='gpt-4o', messages=[])\n"
        "print('litellm' in sys.modules, 'torch' in sys.modules)"
    )
    assert run(code) == "False False"
