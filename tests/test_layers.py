"""The layers: a module imports only from rows above its own, hidden imports included."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import tokenthrift

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(tokenthrift.__file__).parent
MODULES: Final = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
    for p in sorted(ROOT.rglob("*.py"))
    if p != ROOT / "__init__.py"
}
ROWS: Final = {
    name: row
    for row, names in enumerate(
        [
            ["errors", "types", "growing", "history", "draft", "addresses"],
            [
                *("tokens", "encodings", "borders", "images", "opaque", "encoders", "catalog"),
                *("wire", "sqlite_file", "evidence", "canonical"),
            ],
            ["compress", "route", "limits", "experiment"],
            ["policy"],
            ["levels"],
            ["pipeline"],
            ["ledger", "transports", "recall", "verify"],
            ["report", "client", "telemetry"],
            ["serve", "replay", "litellm_proxy"],
            ["cli"],
        ]
    )
    for name in names
}
# `sqlite_file` stands low because ledger and recall, which are one row, both open such files;
# `limits` stands below the policy, which holds its rules;
# `recall` stands beside the ledger because it ranks lines with `compress` and serves the client.
# Imports inside one row that the house allows: the draft is made of values, and messages that hold
# images or opaque items are counted by both.
WITHIN_A_ROW: Final = {
    ("draft", "types"),
    ("draft", "errors"),
    ("draft", "growing"),
    ("draft", "history"),
    ("history", "types"),
    ("types", "errors"),
    ("tokens", "encodings"),
    ("encodings", "borders"),
    ("tokens", "images"),
    ("tokens", "opaque"),
}
LONGEST_MODULE: Final = 400
# What must not be loaded by `import tokenthrift`: seconds and hundreds of megabytes.
HEAVY: Final = (
    *("litellm", "torch", "sentence_transformers", "transformers", "onnx", "onnxruntime"),
    *("tokenizers", "starlette", "uvicorn", "tree_sitter", "redis", "jinja2", "kingfisher_sdk"),
    *("re2", "opentelemetry", "prometheus_client", "duckdb", "pyarrow"),
)


def imported(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Modules of the package that a file imports, with the line and whether inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                known = inner.removeprefix("tokenthrift.") in MODULES
                names.append(inner if known else base)
        elif (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
            and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__")
        ):
            names = [node.args[0].value]
        for name in dict.fromkeys(names):
            if name.startswith("tokenthrift."):
                yield name.removeprefix("tokenthrift."), node.lineno, id(node) in hidden


def test_every_module_has_a_row() -> None:
    """A new room needs its place in the plan of the house first."""
    assert {name.split(".", 1)[0] for name in MODULES} <= set(ROWS)


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_from_rows_above(name: str) -> None:
    """Imports lead to a lower row, or stay inside one package."""
    room = name.split(".", 1)[0]
    wrong = [
        f"{name}:{line} imports {target}"
        for target, line, _ in imported(MODULES[name])
        if (other := target.split(".", 1)[0]) != room
        and ROWS[other] >= ROWS[room]
        and (room, other) not in WITHIN_A_ROW
    ]
    assert wrong == []


@pytest.mark.parametrize("name", MODULES)
def test_no_import_of_the_house_is_hidden(name: str) -> None:
    """Imports of our own modules stand at the top, where they can be seen."""
    assert [f"{name}:{line}" for _, line, hidden in imported(MODULES[name]) if hidden] == []


def test_imports_have_no_cycle() -> None:
    """Following imports never leads back, type-only imports included."""
    graph = {
        name: {target for target, _, _ in imported(path)} - {name} for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name in done:
            return
        for target in sorted(graph.get(name, ())):
            visit(target, (*way, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short_and_say_what_they_are(name: str) -> None:
    """No module is longer than a sitting, and each begins with its purpose."""
    text = MODULES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert ast.get_docstring(ast.parse(text))


def test_importing_the_core_is_light() -> None:
    """Neither the package nor the core loads litellm, torch or a web framework."""
    program = (
        "import sys, tokenthrift, tokenthrift.pipeline\n"
        "tokenthrift.pipeline.plan({'model': 'gpt-4o', 'messages': []})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
