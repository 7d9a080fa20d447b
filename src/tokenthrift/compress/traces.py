"""Stack traces of Python, Java, JavaScript, .NET, Go and Rust, chained ones and those in logs.

A frame is one line here, however many it is written in. The message of an exception and frames of
the user's own code come first; frames of libraries and runtimes wait.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.outlines import FRAME, LIBRARY, MESSAGE, Line, line_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_MESSAGE: Final = 6  # lines of one that a blank line does not end
WHOLE: Final = 30  # lines; a longer trace in a log is no single unit

# Plain substrings: without one of them there is no trace.
_MARKS: Final = (
    *("Traceback (most recent call last)", '  File "', "\tat ", "  at ", "goroutine "),
    *("panicked at ", "stack backtrace:"),
)
# Each line that a rule takes holds one of these.
_HINTS: Final = (
    *("exception", "Traceback", 'File "', "at ", "... ", "--- End of"),
    *("panic", "fatal error: ", "[signal ", "goroutine ", "backtrace:"),
)

_PYTHON = re.compile(r"(?P<indent>[\s|+-]*)[^\n]{0,200}?Traceback \(most recent call last\):?\s*$")
_PYTHON_FRAME = re.compile(r'(?P<indent>[\s|]+)File "[^"\n]+", line \d+(?:, in [^\n]*)?\s*$')
_PYTHON_REPEAT = re.compile(r"[\s|]+\[Previous line repeated \d+ more times?\]\s*$")
_PYTHON_CHAIN = re.compile(
    r"[\s|]*(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)\s*$"
)
_PYTHON_ERROR = re.compile(r"[\s|]*[A-Za-z_][\w.]*(?::.*|\(.*)?\s*$")

# Java, Kotlin, Scala and .NET; then JavaScript: a place with line and column.
_WHERE = r"(?:[^()\n]*:\d+|Native Method|Unknown Source|<anonymous>|native|<generated>)"
_AT = re.compile(
    rf"\s*at (?:[^()\n]{{0,400}}\({_WHERE}\)|(?:async )?\S{{1,400}}:\d+:\d+\)?|<anonymous>"
    r"|[\w.`<>\[\], ]{1,200}\.[\w<>`\[\]|]+\([^()\n]*\)(?: in [^\n]+:line \d+)?)"
    r"(?: ~?\[[^\]\n]*\])?\s*$"
)
_MORE = re.compile(
    r"\s*(?:\.\.\. \d+ (?:more|common frames omitted)|--- End of .*stack trace.* ---)"
)
_CAUSE = re.compile(r"\s*(?:Caused by|Suppressed|Wrapped by|\[cause\])\b:?")
_ERROR_NAME = re.compile(r"\b\w*(?:Exception|Error|Throwable|Fault|Failure)\b")

_GO = re.compile(r"goroutine \d+ (?:gp=\S+ \S+ \S+ )?\[[^\]\n]+\]:\s*$")
_GO_PANIC = re.compile(r"(?:panic: |fatal error: |\[signal )")
_GO_PLACE = re.compile(r"\t\S+\.(?:go|s|c|cgo):\d+(?: \+0x[0-9a-f]+)?\s*$")

_RUST = re.compile(r"(?:\s*thread '[^'\n]*'[^\n]{0,40} panicked at )")
_RUST_BACKTRACE = re.compile(r"stack backtrace:\s*$")
_RUST_FRAME = re.compile(r"\s*\d+:\s+(?:0x[0-9a-f]+ - )?[\w<_{\[&*(]\S*")
_RUST_PLACE = re.compile(r"\s+at \S+:\d+(?::\d+)?\s*$")

_LIBRARY = re.compile(
    r"site-packages|dist-packages|[/\\]lib(?:64)?[/\\]python[\d.]+[/\\]|[/\\]Python\d+[/\\]Lib[/\\]"
    r"|<frozen |node_modules|\bnode:|[( ]internal/|\(<anonymous>\)|\(native\)|/rustc/"
    r"|\.cargo[/\\]|\.rustup[/\\]|/go/src/|/pkg/mod/|/usr/(?:local/|lib/)go\b|Native Method"
    # Packages of runtimes and frameworks, behind "at" and a module.
    r"|^\s*at (?:[\w.-]+(?:@[\w.+-]+)?/)?(?:javax?|jakarta|jdk|sun|com\.sun|junit|kotlinx?|scala"
    r"|akka|reactor|groovy|System|Microsoft|Xunit|NUnit|io\.(?:netty|undertow|reactivex|vertx)"
    r"|org\.(?:springframework|apache|junit|hibernate|gradle|eclipse|codehaus|jboss|mockito|testng"
    r"|assertj|scalatest)|com\.(?:google\.(?:common|inject)|zaxxer|fasterxml|mysql)|okhttp3|retrofit2"
    r"|net\.bytebuddy)\."
    # Rust writes the function first.
    r"|^\s*\d+:\s+(?:0x[0-9a-f]+ - )?(?:<?(?:std|core|alloc|tokio|futures\w*|test)::|rust_begin"
    r"|__rust|_start|__libc|_?main$|start_thread|clone)"
    r"|^(?:created by )?(?:runtime|testing|reflect|net/http|syscall|os/signal)[./]"
)


def has_trace(text: str) -> bool:
    """Whether a text may hold a trace: a quick look."""
    for mark in _MARKS:  # noqa: SIM110 - every text is asked, and a loop is twice as fast
        if mark in text:
            return True
    return False


def is_trace(text: str, share: float) -> bool:
    """Whether at least a share of the lines that are not blank are parts of traces."""
    if not has_trace(text):
        return False
    total = inside = frames = 0
    for line in trace_lines(text):
        size = sum(1 for part in text[line.start : line.end].split("\n") if part.strip())
        total += size
        inside += size * bool(line.part or line.anchor)
        frames += line.part in (FRAME, LIBRARY)
    return frames > 0 and inside >= share * total


def trace_lines(text: str) -> list[Line]:
    """The lines of a text in which traces stand; other lines have no part."""
    return _Reader(text).lines


def log_lines(text: str) -> list[Line]:
    """The lines of a log with each trace as one with the line above it; nothing if there is none.

    A trace of more than `WHOLE` lines stays in its own lines.
    """
    if not has_trace(text):
        return []
    lines = trace_lines(text)
    out: list[Line] = []
    at, found = 0, False
    while at < len(lines):
        stop = _trace_end(text, lines, at)
        if stop == at:
            out.append(lines[at])
            at += 1
            continue
        found = True
        whole = text.count("\n", lines[at].start, lines[stop - 1].end) <= WHOLE
        if whole:
            above = bool(out) and not out[-1].part and text[out[-1].start : out[-1].end].strip()
            start = out.pop().start if above else lines[at].start
            out.append(Line(start, lines[stop - 1].end, MESSAGE))
        else:
            shift = len(out) - at
            for line in lines[at:stop]:
                line.head += shift if line.head >= 0 else 0
                out.append(line)
        at = stop
    return out if found else []


def _trace_end(text: str, lines: Sequence[Line], at: int) -> int:
    """Where the trace that begins at a line ends; blank lines inside of it belong to it."""
    stop, ahead = at, at
    while ahead < len(lines):
        line = lines[ahead]
        if line.part or line.anchor:
            stop = ahead + 1
        elif ahead == at or text[line.start : line.end].strip():
            break
        ahead += 1
    frames = any(line.part in (FRAME, LIBRARY) for line in lines[at:stop])
    return stop if frames else at


class _Reader:
    """Reads a text line by line; what a line is depends on the trace that it stands in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = list(line_spans(text))
        self.lines: list[Line] = []
        self._at = 0
        rules: Sequence[Callable[[str], bool]] = (
            self._python, self._python_frame, self._at_frame, self._go, self._rust
        )  # fmt: skip
        hinted = self._hinted()
        while self._at < len(self.spans):
            line = self._text(self._at) if self._at in hinted else ""
            if not line.strip() or not any(rule(line) for rule in rules):
                self._take(1)

    def _hinted(self) -> set[int]:
        """Numbers of the lines that may begin a trace or a part of one."""
        starts = [start for start, _ in self.spans]
        found: set[int] = set()
        for hint in _HINTS:
            at = self.text.find(hint)
            while at >= 0:
                found.add(bisect_right(starts, at) - 1)
                at = self.text.find(hint, at + len(hint))
        return found

    def _text(self, n: int) -> str:
        if n >= len(self.spans):
            return ""
        start, end = self.spans[n]
        return self.text[start:end]

    def _take(self, count: int, part: str = "", head: int = -1, *, anchor: bool = False) -> None:
        """The next lines, as one."""
        start = self.spans[self._at][0]
        self._at = min(self._at + count, len(self.spans))
        self.lines.append(Line(start, self.spans[self._at - 1][1], part, head, anchor=anchor))

    def _frame(self, count: int, head: int) -> None:
        """The next lines are a frame."""
        start, end = self.spans[self._at][0], self.spans[self._at + count - 1][1]
        rows = self.text[start:end].splitlines()
        part = LIBRARY if any(_LIBRARY.search(row) for row in rows) else FRAME
        self._take(count, part, head)

    # ------------------------------------------------------------------------------------ Python
    def _python(self, line: str) -> bool:
        if _PYTHON_CHAIN.match(line):
            self._take(1, MESSAGE)
            return True
        if "Traceback (most recent call last)" not in line or not _PYTHON.match(line):
            return False
        if not _PYTHON_FRAME.match(self._text(self._at + 1)):
            return False
        self._take(1, anchor=True)
        self._python_frames(len(self.lines) - 1)
        return True

    def _python_frame(self, line: str) -> bool:
        """Frames without a header, as of an error of syntax."""
        if 'File "' not in line or not _PYTHON_FRAME.match(line):
            return False
        self._python_frames(-1)
        return True

    def _python_frames(self, head: int) -> None:
        indent = 0
        while frame := _PYTHON_FRAME.match(self._text(self._at)):
            indent = len(frame["indent"])
            count = 1
            while self._is_deeper(self._text(self._at + count), indent):
                count += 1
            if _PYTHON_REPEAT.match(self._text(self._at + count)):
                count += 1
            self._frame(count, head)
        line = self._text(self._at)
        if line.strip() and _indent(line) < indent and _PYTHON_ERROR.match(line):
            self._message()

    def _is_deeper(self, line: str, indent: int) -> bool:
        return bool(line.strip(" |\n\r\t")) and _indent(line) > indent

    def _message(self) -> None:
        """The next line is a message; so is what follows without a blank line, up to a few."""
        count = 1
        while count < LONGEST_MESSAGE and self._goes_on(self._text(self._at + count)):
            count += 1
        self._take(count, MESSAGE)

    def _goes_on(self, line: str) -> bool:
        """Whether a line goes on with a message."""
        return line[:1] in (" ", "\t") and bool(line.strip()) and not self._begins(line)

    def _begins(self, line: str) -> bool:
        """Whether a line begins something else: a frame, a cause, a trace."""
        rules = (_AT, _CAUSE, _PYTHON, _PYTHON_FRAME, _PYTHON_CHAIN, _MORE)
        return any(rule.match(line) for rule in rules)

    # ---------------------------------------------------------------- Java, JavaScript and .NET
    def _at_frame(self, line: str) -> bool:
        if _MORE.match(line) and self.lines and self.lines[-1].part in (FRAME, LIBRARY):
            self._take(1, LIBRARY)
            return True
        if "at " not in line or not _AT.match(line):
            return False
        self._claim_message()
        while _AT.match(self._text(self._at)):
            self._frame(1, -1)
        return True

    def _claim_message(self) -> None:
        """The line above the first frame is the message, or one of up to a few that are."""
        for back in range(1, LONGEST_MESSAGE + 1):
            above = self.lines[-back] if back <= len(self.lines) else None
            text = "" if above is None else self.text[above.start : above.end]
            if above is None or above.part or not text.strip():
                return
            if _CAUSE.match(text) or _ERROR_NAME.search(text):
                for line in self.lines[-back:]:
                    line.part = MESSAGE
                return

    # ---------------------------------------------------------------------------------- Go, Rust
    def _go(self, line: str) -> bool:
        if _GO_PANIC.match(line):
            self._message()
            return True
        if not _GO.match(line):
            return False
        self._take(1, anchor=True)
        head = len(self.lines) - 1
        while self._text(self._at).strip() and _GO_PLACE.match(self._text(self._at + 1)):
            self._frame(2, head)
        return True

    def _rust(self, line: str) -> bool:
        if _RUST.match(line):
            spoken = "panicked at '" in line or not self._text(self._at + 1).strip()
            self._take(1 if spoken else 2, MESSAGE)
            return True
        if not _RUST_BACKTRACE.match(line):
            return False
        self._take(1, anchor=True)
        head = len(self.lines) - 1
        while _RUST_FRAME.match(self._text(self._at)):
            self._frame(2 if _RUST_PLACE.match(self._text(self._at + 1)) else 1, head)
        return True


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" |\t"))
