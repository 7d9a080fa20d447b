"""Stack traces: messages and frames of one's own code first, frames of libraries last."""

from __future__ import annotations

import random
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, examples, log, long_texts
from tokenthrift.compress.kinds import kind_of
from tokenthrift.compress.outlines import FRAME, LIBRARY, MESSAGE
from tokenthrift.compress.traces import WHOLE, log_lines, trace_lines
from tokenthrift.compress.units import units_of
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.tokens import counter_for

PYTHON = """\
Traceback (most recent call last):
  File "/app/store.py", line 31, in load
    return self.rows[key]
           ~~~~~~~~~^^^^^
KeyError: 'ledger'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/usr/lib/python3.11/threading.py", line 1038, in _bootstrap_inner
    self.run()
  File "/app/main.py", line 12, in main
    run(
    ~~~^
        store,
        ^^^^^^
    )
    ^
  File "/app/venv/lib/python3.11/site-packages/web/core.py", line 88, in call
    return handler(*args)
  [Previous line repeated 996 more times]
  File "<frozen importlib._bootstrap>", line 1007, in _find_and_load
web.errors.NotFound: no rows
"""
JAVA = """\
2024-05-01 10:00:00,123 ERROR [http-1] c.a.Api - request failed
com.acme.ApiException: no rows
\tat com.acme.Api.load(Api.java:31)
\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:883)
\tat java.base/java.lang.Thread.run(Thread.java:829)
Caused by: java.sql.SQLException: connection reset
\tat com.acme.Store.rows(Store.java:12) ~[app.jar:1.0]
\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:128)
\t... 12 more
2024-05-01 10:00:01,000 INFO  [http-1] c.a.Api - next request
"""
NODE = """\
/app/src/index.js:3
    throw new TypeError('no rows')
    ^

TypeError: no rows
    at Object.<anonymous> (/app/src/index.js:3:5)
    at Module._compile (node:internal/modules/cjs/loader:1105:14)
    at async run (/app/node_modules/runner/lib.js:1:2)
    at file:///app/src/b.mjs:12:3
    at new Promise (<anonymous>)
"""
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.rows(...)
\t/home/ann/app/main.go:8
main.main()
\t/home/ann/app/main.go:4 +0x1d
runtime.main()
\t/usr/local/go/src/runtime/proc.go:267 +0x2b
exit status 2
"""
RUST = """\
thread 'main' panicked at src/main.rs:2:5:
no rows
stack backtrace:
   0: rust_begin_unwind
             at /rustc/90b35a623/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
   2: app::rows
             at ./src/main.rs:2:5
note: run with `RUST_BACKTRACE=full`
"""
DOTNET = """\
Unhandled exception. System.InvalidOperationException: no rows
   at System.Linq.Enumerable.First[T](IEnumerable`1 source)
   at Acme.Program.Main(String[] args) in C:\\src\\Program.cs:line 12
"""
# Of each trace: messages, frames of own code, frames of libraries, by a word in each.
TOLD = {
    "python": (PYTHON, ("KeyError: ", "During", "NotFound: "), ("store.py", "main.py"),
               ("threading.py", "core.py", "<frozen")),
    "java": (JAVA, ("ApiException", "SQLException"), ("Api.java", "Store.java"),
             ("FrameworkServlet", "Thread.java", "HikariPool", "12 more")),
    "node": (NODE, ("TypeError: no rows",), ("index.js:3:5", "b.mjs"),
             ("node:internal", "node_modules", "new Promise")),
    "go": (GO, ("panic: ",), ("main.rows", "main.main"), ("runtime.main",)),
    "rust": (RUST, ("panicked at",), ("app::rows",), ("rust_begin", "panic_fmt")),
    "dotnet": (DOTNET, ("Unhandled",), ("Program.cs",), ("Enumerable.First",)),
}  # fmt: skip


def of_part(text: str, part: str) -> list[str]:
    """The lines of an outline that are of a part."""
    return [text[ln.start : ln.end] for ln in trace_lines(text) if ln.part == part]


@pytest.mark.parametrize("language", TOLD)
def test_messages_and_frames_are_told(language: str) -> None:
    """Each message, each own frame and each frame of a library is one line of its part."""
    text, *wanted = TOLD[language]
    for part, words in zip((MESSAGE, FRAME, LIBRARY), wanted, strict=True):
        found = of_part(text, part)
        assert len(found) == len(words), part
        assert all(word in line for word, line in zip(words, found, strict=True))


@pytest.mark.parametrize("language", TOLD)
def test_traces_are_told_by_content(language: str) -> None:
    """Traces of six languages, also in what tools put around them."""
    text = TOLD[language][0]
    assert kind_of(text) == "trace"
    assert kind_of(f"<returncode>1</returncode>\n<output>\nRunning it\n{text}</output>") == "trace"


@pytest.mark.parametrize(
    "text",
    [
        "When you see Traceback (most recent call last): look at the last line.\nIt says why.\n",
        "  We met at the harbour (see the map)\n  at noon, and at 10:30.\n  at home (later)\n",
        'The error is in File "a.py", line 3, in f, I think.\nSo we look there.\n',
        "A goroutine 1 [running] is shown.\nIt panicked at once.\nstack backtrace: none\n",
        "Caused by: bad weather\nSuppressed: the news\n",
        "def f():\n    try:\n        g()\n    except ValueError:\n        traceback.print_exc()\n",
        "Look:\n" + "One of many lines of prose about an error.\n" * 40 + DOTNET,
    ],
    ids=["python", "at", "file", "go", "cause", "code", "mostly prose"],
)
def test_near_misses_are_no_traces(text: str) -> None:
    """Prose and code about errors are none."""
    assert kind_of(text) != "trace"


def test_a_frame_is_one_unit() -> None:
    """The place of a frame, its code and the marks under it are cut together."""
    count = counter_for("gpt-4o")
    units = [PYTHON[u.start : u.end] for u in units_of(PYTHON, "trace", count)]
    assert units[1] == PYTHON[PYTHON.index("  File") : PYTHON.index("KeyError")]
    whole = PYTHON[PYTHON.index('  File "/app/main.py"') : PYTHON.index('  File "/app/venv')]
    assert whole in units
    assert any(unit.endswith("996 more times]\n") for unit in units)


def raised(depth: int) -> str:
    """What Python itself writes of an exception that was raised from another."""

    def fall(n: int) -> None:
        if n:
            fall(n - 1)
        else:
            int("x")

    try:
        try:
            fall(depth)
        except ValueError as error:
            raise RuntimeError("of\n  two lines") from error
    except RuntimeError:
        return traceback.format_exc()


@pytest.mark.parametrize("depth", [0, 2, 40])
def test_traces_as_python_writes_them(depth: int) -> None:
    """Every line of a real trace is part of it, but blank ones; its messages are whole."""
    text = raised(depth)
    lines = trace_lines(text)
    assert all(ln.part or ln.anchor or not text[ln.start : ln.end].strip() for ln in lines)
    messages = of_part(text, MESSAGE)
    assert messages[0].startswith("ValueError: invalid literal")
    assert messages[-1] == "RuntimeError: of\n  two lines\n"


@examples(200)
@given(long_texts(60))
def test_lines_cover_any_text(text: str) -> None:
    """Nothing is left out or shown twice; heads stand above what hangs on them."""
    lines = trace_lines(text)
    assert "".join(text[ln.start : ln.end] for ln in lines) == text
    assert all(-1 <= ln.head < n for n, ln in enumerate(lines))
    whole = log_lines(text)
    assert not whole or "".join(text[ln.start : ln.end] for ln in whole) == text
    assert all(-1 <= ln.head < n for n, ln in enumerate(whole))


def sent(text: str, keep: float, hard_share: float | None = None) -> str:
    """The text as it is sent as a tool's result."""
    call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Why did it stop?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
    ]
    body = {"model": "gpt-4o", "messages": messages}
    settings: dict[str, Any] = {
        "scope": "request",
        "floor_tokens": 0,
        "stages": [{"stage": "select", "keep": keep, "min_tokens": 0}],
    }
    if hard_share is not None:
        whole = plan(body, "off").tokens_before
        bare = plan({**body, "messages": messages[:2]}, "off").tokens_before
        settings["budget"] = {"hard_tokens": int(bare + hard_share * (whole - bare))}
    return str(plan(body, load_policy(settings)).body["messages"][-1]["content"])


def deep(seed: int) -> str:
    """A trace with many frames of libraries between one's own."""
    rng = random.Random(seed)
    own = [f'  File "/app/part_{n}.py", line {n}, in step_{n}\n    go({n})\n' for n in range(8)]
    other = [
        f'  File "/venv/lib/python3.11/site-packages/p{n}/q.py", line {n}, in call\n    f({n})\n'
        for n in range(30)
    ]
    frames = [*own, *other]
    rng.shuffle(frames)
    return (
        f"Traceback (most recent call last):\n{''.join(frames)}part.OwnError: no rows in {seed}\n"
    )


@examples(20)
@given(SEEDS, st.sampled_from([0.1, 0.3, 0.5]))
def test_messages_and_own_frames_stay(seed: int, keep: float) -> None:
    """Without a hard budget only frames of libraries go, and the marks count them."""
    text = deep(seed)
    left = sent(text, keep)
    assert f"OwnError: no rows in {seed}" in left
    assert all(
        f'  File "/app/part_{n}.py", line {n}, in step_{n}\n    go({n})\n' in left for n in range(8)
    )
    marked = sum(
        int(line[2:-1])
        for line in left.split("\n")
        if line.startswith("[-") and line[2:-1].isdigit()
    )
    assert marked + left.count("site-packages") == 30


@examples(20)
@given(SEEDS, st.sampled_from([0.1, 0.3, 0.5]))
def test_libraries_go_first_under_a_hard_budget(seed: int, share: float) -> None:
    """While a frame of one's own or the message is missing no frame of a library is shown."""
    left = sent(deep(seed), 1, share)
    if "OwnError" not in left or left.count("/app/part_") < 8:
        assert "site-packages" not in left
    if "Traceback (most" in left:
        assert 'File "' in left


def test_repeated_frames_are_not_held() -> None:
    """Of frames that repeat one is shown in any case, not all."""
    one = '  File "/app/a.py", line 3, in f\n    f(x)\n'
    text = f"Traceback (most recent call last):\n{one * 200}RecursionError: too deep\n"
    left = sent(text, 0.2)
    assert "RecursionError: too deep" in left
    assert 0 < left.count(one) < 150


def test_traces_in_logs_stay_whole_with_their_line() -> None:
    """A trace and the line of the log above it are one unit; a very long one is not."""
    text = log(random.Random(3), 20).rstrip("\n") + "\n" + JAVA
    count = counter_for("gpt-4o")
    units = [text[u.start : u.end] for u in units_of(text, "log", count)]
    end = JAVA.index("2024-05-01 10:00:01")
    assert JAVA[:end] in units
    assert JAVA[end:] in units
    frames = "".join(f"\tat com.acme.A.f{n}(A.java:{n})\n" for n in range(WHOLE + 5))
    long = f"2024-05-01 10:00:00 ERROR x\njava.lang.Error: y\n{frames}"
    assert len(units_of(long, "log", count)) > WHOLE


def test_logs_without_traces_have_no_outline() -> None:
    """They are cut line by line as before."""
    assert log_lines(log(random.Random(1), 40)) == []
