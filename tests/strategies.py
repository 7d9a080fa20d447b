"""Hypothesis strategies: texts of every kind, and Chat Completions bodies, proper and odd.

Long texts are made by seeded generators, so that an example stays a handful of small draws: fast to
make, fast to shrink, the same on every machine.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SEEDS = st.integers(0, 4_095)
TIMES: Final = int(os.environ.get("TOKENTHRIFT_EXAMPLES_TIMES", "1"))
"""As many times the usual examples; `make nightly` sets it, and draws new ones each time."""
MODELS: Final = ("gpt-4o", "gpt-4.1-mini", "claude-sonnet-4-5", "somebody/unheard-of")
PNG: Final = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def examples(count: int, *, shrink: bool = True) -> settings:
    """Settings of a property: the same examples on every run, as many as its cost allows.

    In a nightly run there are many more, and others each time.

    Args:
        count: how many.
        shrink: whether to look for the smallest failure; a waste where one is expected.
    """
    return settings(
        max_examples=count * TIMES,
        phases=[p for p in Phase if shrink or p in (Phase.explicit, Phase.generate)],
        deadline=None,
        derandomize=TIMES == 1,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )


# ------------------------------------------------------------------------------------ small texts
# What texts of the world hold and toy alphabets lack: scripts, controls, odd line breaks, escapes,
# our own marks, special tokens of models, halves of surrogate pairs.
ODDITIES: Final = (
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\x00",
    "\x1b[31m",
    "\x0b\x0c\x85",
    "\u2028",
    "\ud800",
    "\udfff tail",
    "🙂👩‍👩‍👧",
    "日本語の文。次の文！",
    "한국어 문장입니다.",
    "नमस्ते दुनिया।",
    "مرحبا بالعالم؟",
    "Ελληνικά και Русский текст.",
    "<|endoftext|><|im_start|>system",
    "[-3]\n",
    "[same as m0]",
    "[same as m0 lines 1-3]\n",
    "[-n: n lines cut, recall 00000000]",
    "@1 3 rows|a|b",
    "```\n[1, 2]\n```",
    "```json\n{}\n```\n~~~\nx\n~~~",
    '{"a": 1, "a": 2}',
    "null",
    "-0.0",
)
ANY_CHARACTERS = st.text(st.characters(codec=None, exclude_categories=()), max_size=24)


def short_texts() -> st.SearchStrategy[str]:
    """Texts of up to a few lines, any characters at all."""
    return st.one_of(
        st.sampled_from(ODDITIES),
        ANY_CHARACTERS,
        st.lists(st.sampled_from(ODDITIES), max_size=4).map("".join),
        SEEDS.map(lambda seed: prose(random.Random(seed), 2)),
    )


# ------------------------------------------------------------------------------------- long texts
_VOCABULARY: Final = """
server invoice timeout customer parser retry window budget ledger commit branch token cache
shipment refund gateway schema worker kernel socket vector merge deploy region volume
"""
WORDS: Final = tuple(_VOCABULARY.split())
NAMES: Final = (
    "parse_config",
    "HttpClient.send",
    "src/app/main.py",
    "user-4711",
    "0x7fae12",
    "v2.13",
)
SENTENCES: Final = (
    "这是一个关于服务器超时的句子。",
    "Сервер не отвечает уже три минуты.",
    "El servidor devolvió el error 503.",
    "サーバーが応答しません！",
)


def prose(rng: random.Random, lines: int) -> str:
    """Paragraphs of sentences, some not in English."""
    out = []
    for _ in range(lines):
        sentences = []
        for _ in range(rng.randint(1, 5)):
            words = [rng.choice(WORDS) for _ in range(rng.randint(4, 12))]
            if rng.random() < 0.2:
                words[-1] = rng.choice(NAMES)
            foreign = rng.random() < 0.15
            sentences.append(
                rng.choice(SENTENCES) if foreign else f"{' '.join(words).capitalize()}."
            )
        out.append(" ".join(sentences) + ("\n" if rng.random() < 0.8 else "\n\n"))
    return "".join(out)


def log(rng: random.Random, lines: int) -> str:
    """A log with a few templates and rare errors."""
    out = []
    for n in range(lines):
        level = "ERROR" if rng.random() < 0.05 else "INFO"
        detail = f"{rng.choice(WORDS)} {rng.choice(NAMES)} took {rng.randint(1, 900)} ms"
        out.append(f"2025-11-0{n % 9 + 1} 10:{n % 60:02}:00 {level} {detail}")
    return "\n".join(out) + rng.choice(["", "\n"])


def records(rng: random.Random, rows: int) -> list[dict[str, Any]]:
    """Like objects with gaps, nesting, exact numbers and awkward strings."""
    out: list[dict[str, Any]] = []
    for n in range(rows):
        row: dict[str, Any] = {
            "id": n,
            "name": rng.choice([*WORDS, "a|b", "true", "1.0", "@1", ""]),
        }
        if rng.random() < 0.8:
            row["user"] = {"city": rng.choice(WORDS), "age": rng.randint(0, 99)}
        if rng.random() < 0.5:
            row["tags"] = [rng.choice(WORDS) for _ in range(rng.randint(0, 3))]
        row["price"] = rng.choice([1.5, 2, None, True, "1.50"])
        out.append(row)
    return out


def table_json(rng: random.Random, lines: int) -> str:
    """A JSON document around an array of like objects, as one line or indented."""
    rows = records(rng, lines)
    document = rng.choice([rows, {"count": lines, "items": rows, "next": None}])
    return json.dumps(document, indent=rng.choice([None, 2]), ensure_ascii=rng.random() < 0.5)


def code(rng: random.Random, lines: int) -> str:
    """Source text with blank lines and repeated braces."""
    out = []
    for n in range(lines):
        word = rng.choice(WORDS)
        out.append(
            rng.choice(
                [f"def {word}_{n}(x):", f"    return {word}[x + {n}]", "", f"    if {word}:", "}"]
            )
        )
    return "\n".join(out) + "\n"


def program(rng: random.Random, lines: int) -> str:
    """A module that parses, as a file or as a listing with numbers."""
    out = ["import os", "from typing import Any", ""]
    while len(out) < lines:
        word = rng.choice(WORDS)
        out += [
            "",
            f"def {word}_{len(out)}(a: int, b: Any = None) -> int:",
            f'    """The {word}."""',
        ]
        for _ in range(rng.randint(1, 8)):
            name = rng.choice(WORDS)
            out += rng.choice([
                [f"    {name} = os.path.join('{rng.choice(WORDS)}', str(a))"],
                [f"    if {word!r} in str(b):", f"        raise ValueError('{name}')"],
                [f"    for {name} in range(a):", f"        print({name}, b)", ""],
            ])  # fmt: skip
        out.append("    return a")
    if rng.random() < 0.4:
        out = [f"{n}: {line}" for n, line in enumerate(out, rng.randint(1, 400))]
    return "\n".join(out) + "\n"


def csv(rng: random.Random, lines: int) -> str:
    """A table of text."""
    rows = [f"{n},{rng.choice(WORDS)},{rng.randint(0, 999)}" for n in range(lines)]
    return "\n".join(["id,name,amount", *rows])


def diff(rng: random.Random, lines: int) -> str:
    """A unified diff."""
    body = [f"{rng.choice('+- ')}{rng.choice(WORDS)} = {n}" for n in range(lines)]
    return "\n".join(["diff --git a/x.py b/x.py", "@@ -1,9 +1,9 @@", *body, ""])


def search(rng: random.Random, lines: int) -> str:
    """Lines as grep prints them."""
    return "\n".join(
        f"src/{rng.choice(WORDS)}.py:{n + 1}:{rng.choice(WORDS)}" for n in range(lines)
    )


def html(rng: random.Random, lines: int) -> str:
    """A page with noise, links and text."""
    menu = "".join(f"<li><a href='/{w}'>{w}</a></li>" for w in WORDS[:6])
    body = "".join(f"<p>{prose(rng, 1).strip()}</p>\n" for _ in range(lines))
    return (
        f"<!doctype html><html><head><script>var a = 1;</script></head><body><ul>{menu}</ul>"
        f"<!-- {rng.choice(WORDS)} -->{body}</body></html>"
    )


def trace(rng: random.Random, lines: int) -> str:
    """A stack trace."""
    frames = [
        f'  File "{rng.choice(WORDS)}.py", line {n}, in {rng.choice(WORDS)}' for n in range(lines)
    ]
    return "\n".join(["Traceback (most recent call last):", *frames, "ValueError: bad socket"])


def base64_text(rng: random.Random, size: int) -> str:
    """Random bytes in base64."""
    return base64.b64encode(rng.randbytes(size)).decode()


def blobs(rng: random.Random, lines: int) -> str:
    """Lines of prose with images, digits and wrapped base64 between them, or such in JSON."""
    out = []
    for _ in range(lines):
        data = base64_text(rng, rng.randint(60, 400))
        wrapped = "\n".join(data[n : n + 76] for n in range(0, len(data), 76))
        shapes = (
            f"![{rng.choice(WORDS)}](data:image/png;base64,{data})",
            wrapped,
            rng.randbytes(120).hex(),
            prose(rng, 1).strip(),
        )
        out.append(rng.choice(shapes))
    if rng.random() < 0.5:
        return "\n".join(out)
    return json.dumps([{"text": text, "n": n} for n, text in enumerate(out)])


def grouped_search(rng: random.Random, lines: int) -> str:
    """Matches with their context, files in a row, separators, and lists of files."""
    out: list[str] = []
    while len(out) < lines:
        path = f"src/{rng.choice(WORDS)}/{rng.choice(WORDS)}.py"
        at = rng.randint(1, 90)
        for _ in range(rng.randint(1, 4)):
            at += rng.randint(1, 3)
            out.append(
                f"{path}{rng.choice([f':{at}:', f':{at}:', f'-{at}-', ':'])}{prose(rng, 1)}"[:80]
            )
        out += rng.choice([[], [], ["--"], [path], ["", "Binary file a.bin matches"]])
    return "\n".join(line.replace("\n", " ") for line in out)


def fenced(rng: random.Random, lines: int) -> str:
    """Prose around fenced data."""
    return (
        f"{prose(rng, 2)}\n```json\n{table_json(rng, lines)}\n```\n{prose(rng, 1)}"
        f"~~~\n{log(rng, lines)}\n~~~\n"
    )


def long_line(rng: random.Random, lines: int) -> str:
    """One line without a single break."""
    return " ".join(rng.choice(WORDS) for _ in range(lines * 8))


# ------------------------------------------------------------------------- hard to read
def broken_json(rng: random.Random, lines: int) -> str:
    """A JSON document with something wrong in it: cut, a sign too many, quotes or colons lost."""
    text = table_json(rng, lines)
    at = rng.randrange(len(text))
    return rng.choice(
        [
            text[:at],
            text[at:],
            text[:at] + rng.choice('[]{}",:\\\0\n') + text[at:],
            text + text,
            text.replace('"', "'"),
            text.replace(":", "", 1),
            text[:-1] + ",]",
            f'{{"a": {text}, "a": NaN}}',
            f"{text}\n// a remark\n{text}",
        ]
    )


def nested(rng: random.Random, lines: int) -> str:
    """Brackets, objects or tags inside each other, deeper than a stack; some are never closed."""
    depth = rng.choice([lines, 40 * lines])
    opens, closes = rng.choice(
        [
            ("[", "]"),
            ('{"a":', "}"),
            ('[{"id":1,"of":', "}]"),
            ("<div>", "</div>"),
            ("<b><p>", "</b>"),
            ("(", ")"),
            ("> ", ""),
        ]
    )
    page = "<!doctype html><html><body>" if opens[0] == "<" and rng.random() < 0.5 else ""
    inside = rng.choice(["1", "", prose(rng, 1)])
    return page + opens * depth + inside + closes * rng.choice([depth, depth - 1, 0])


def scripts(rng: random.Random, lines: int) -> str:
    """Sentences of several scripts and directions in one line, with and without spaces."""
    said = [*SENTENCES, *(t for t in ODDITIES if t.isprintable() and not t.isascii()), *NAMES]
    rows = (
        rng.choice(["", " "]).join(rng.choices(said, k=rng.randint(1, 9))) for _ in range(lines)
    )
    return "\n".join(rows)


def controls(rng: random.Random, lines: int) -> str:
    """Lines of a log with control characters, odd ends, marks of direction, halves of pairs."""
    signs = "\0\a\b\t\r\x0b\x0c\x1b\x1c\x7f\x85\xa0\u200b\u200e\u202e\u2028\u2066\ufeff\ud83d\ude00"
    out = []
    for line in log(rng, lines).split("\n"):
        at = rng.randint(0, len(line))
        out.append(line[:at] + "".join(rng.choices(signs, k=rng.randint(0, 4))) + line[at:])
    return rng.choice(["\n", "\r\n", "\r"]).join(out)


def runs(rng: random.Random, lines: int) -> str:
    """Long runs of a few signs, with a word here and there."""
    signs = (
        "a",
        "A",
        "7",
        " ",
        "\t",
        ".",
        "-",
        "`",
        '"',
        "\\",
        "[",
        "<",
        "日",
        "\u0301",
        "🙂",
        "\n",
    )
    count = rng.randint(1, 4)
    pieces = (rng.choice(signs) * (lines * rng.choice([1, 30])) for _ in range(count))
    return f" {rng.choice(WORDS)} ".join(pieces)


def blob(rng: random.Random, lines: int) -> str:
    """Bytes as text: base64 with and without line breaks, a data URI, hexadecimal digits."""
    data = rng.randbytes(24 * lines)
    plain = base64.b64encode(data).decode()
    uri = f"see data:image/png;base64,{plain} and `{rng.choice(NAMES)}`"
    return rng.choice([plain, base64.encodebytes(data).decode(), uri, data.hex()])


GENERATORS: Final[tuple[Callable[[random.Random, int], str], ...]] = (
    prose,
    log,
    table_json,
    code,
    csv,
    diff,
    search,
    html,
    trace,
    fenced,
    long_line,
    blobs,
    grouped_search,
    broken_json,
    nested,
    scripts,
    controls,
    runs,
    blob,
)


@st.composite
def long_texts(draw: st.DrawFn, max_lines: int = 60) -> str:
    """Texts of every kind, some with oddities in the middle and blocks repeated."""
    make = draw(st.sampled_from(GENERATORS))
    lines = draw(st.sampled_from([3, max_lines // 4 + 1, max_lines // 2 + 1, max_lines]))
    text = make(random.Random(draw(SEEDS)), lines)
    odd = draw(st.none() | st.sampled_from(ODDITIES))
    if odd is not None:
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + odd + text[cut:]
    return text + text * draw(st.sampled_from([0, 0, 0, 1]))


@st.composite
def texts(draw: st.DrawFn, max_lines: int = 60) -> str:
    """Short and long texts, one as often as the other."""
    long = draw(st.booleans())
    return draw(long_texts(max_lines) if long else short_texts())


# --------------------------------------------------------------------------------------- messages
UNKNOWN_KEYS = st.dictionaries(
    st.sampled_from(["x_trace", "metadata", "annotations", "reasoning_content"]),
    st.one_of(st.none(), st.integers(), short_texts(), st.just({"deep": [1, {"er": None}]})),
    max_size=2,
)
CACHE_CONTROL: Final = {"type": "ephemeral", "ttl": "1h"}


def _with(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {**base, **{k: v for k, v in more.items() if k not in base}}


def text_parts(max_lines: int = 20) -> st.SearchStrategy[Any]:
    """Text parts: typed, with cache marks and unknown keys, and bare strings."""

    def typed(text: str, marked: bool, more: dict[str, Any]) -> dict[str, Any]:  # noqa: FBT001 - drawn
        part: dict[str, Any] = {"type": "text", "text": text}
        if marked:
            part["cache_control"] = dict(CACHE_CONTROL)
        return _with(part, more)

    return st.one_of(st.builds(typed, texts(max_lines), st.booleans(), UNKNOWN_KEYS), short_texts())


MEDIA_PARTS: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "refusal", "refusal": "I cannot do that."},
        {"type": "hologram", "data": [1, 2, {"x": None}]},
        {"type": "text", "text": None},
        {"type": "text"},
        17,
        None,
    ]
).map(deepcopy)


def contents(max_lines: int = 20) -> st.SearchStrategy[Any]:
    """Contents: a string, or a list of parts."""
    return st.one_of(
        texts(max_lines),
        st.lists(st.one_of(text_parts(max_lines), MEDIA_PARTS), min_size=1, max_size=3),
    )


ARGUMENTS = st.one_of(
    st.sampled_from(['{"path": "src/app/main.py"}', "{}", "", "not json {", '{"a": "\\ud800"}']),
    short_texts(),
)
CALL_NAMES = st.sampled_from(["read_file", "search", "run"])


@st.composite
def exchanges(draw: st.DrawFn, number: int, max_lines: int) -> list[dict[str, Any]]:
    """A message with tool calls, and one result for each."""
    count = draw(st.integers(1, 2))
    calls = [
        _with(
            {
                "id": f"call_{number}_{n}",
                "type": "function",
                "function": {"name": draw(CALL_NAMES), "arguments": draw(ARGUMENTS)},
            },
            draw(UNKNOWN_KEYS),
        )
        for n in range(count)
    ]
    content = draw(st.one_of(st.none(), st.just(""), short_texts()))
    call = _with({"role": "assistant", "content": content, "tool_calls": calls}, draw(UNKNOWN_KEYS))
    results = []
    for one in calls:
        result = draw(st.one_of(texts(max_lines), st.lists(text_parts(max_lines), max_size=2)))
        results.append({"role": "tool", "tool_call_id": one["id"], "content": result})
    return [call, *results]


def systems(max_lines: int = 10) -> st.SearchStrategy[dict[str, Any]]:
    """System messages by both names."""
    return st.builds(
        lambda role, content, more: _with({"role": role, "content": content}, more),
        st.sampled_from(["system", "developer"]),
        st.one_of(texts(max_lines), st.lists(text_parts(max_lines), min_size=1, max_size=2)),
        UNKNOWN_KEYS,
    )


def users(max_lines: int = 20) -> st.SearchStrategy[dict[str, Any]]:
    """User messages."""
    return st.builds(
        lambda content, more: _with({"role": "user", "content": content}, more),
        contents(max_lines),
        st.one_of(st.just({}), st.just({"name": "ann"}), UNKNOWN_KEYS),
    )


def answers(max_lines: int = 10) -> st.SearchStrategy[dict[str, Any]]:
    """Assistant messages without tool calls."""
    return st.builds(
        lambda content, more: _with({"role": "assistant", "content": content}, more),
        st.one_of(texts(max_lines), st.lists(text_parts(max_lines), max_size=2)),
        st.one_of(
            st.just({}),
            st.just({"refusal": None, "annotations": [], "audio": None}),
            st.just({"refusal": "no"}),
            st.just({"audio": {"id": "audio_1"}}),
            UNKNOWN_KEYS,
        ),
    )


READ_FILE: Final = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}
# As generators write them: titles, a dialect, defaults of null, docstrings with their layout.
NOISY: Final = {
    "type": "function",
    "x_vendor": 1,
    "function": {
        "name": "find_orders",
        "description": "Find orders.\n\n    Newest first; `limit` at most.\n    ",
        "parameters": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "find_ordersArguments",
            "type": "object",
            "properties": {
                "user_id": {"type": "string", "title": "User Id", "description": "The user id"},
                "limit": {
                    "anyOf": [{"type": "integer"}, {"type": "null"}],
                    "default": None,
                    "title": "Limit",
                },
            },
            "required": [],
            "additionalProperties": True,
        },
    },
}
TOOL_LISTS: Final = (
    [READ_FILE],
    [READ_FILE, NOISY],
    [{"type": "web_search"}, NOISY, {"type": "custom", "custom": {"name": "sql"}}, None],
    {"no": "list"},
)
BODY_KEYS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.just(0.1),
        "tools": st.sampled_from(TOOL_LISTS),
        "stream": st.booleans(),
        "x_vendor": st.just({"a": [1]}),
        "max_tokens": st.just(64),
        "reasoning_effort": st.just("low"),
    },
)


COUNTED: Final[Counter[str]] = Counter()
"""How many requests were made, which a nightly run prints by invariant."""


def counted(body: dict[str, Any]) -> dict[str, Any]:
    """The body, counted as one request more."""
    COUNTED["requests"] += 1
    return body


def _body(model: str, messages: Sequence[Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return counted(deepcopy({**more, "model": model, "messages": list(messages)}))


@st.composite
def conversations(
    draw: st.DrawFn,
    max_turns: int = 4,
    max_lines: int = 60,
    models: Iterable[str] = MODELS,
    asks: st.SearchStrategy[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Proper multi-turn conversations: calls paired with results, the last message not the model's.

    Args:
        draw: given by Hypothesis.
        max_turns: how many times the model spoke at most.
        max_lines: of the longest texts.
        models: to choose from.
        asks: user messages; of every form if None.
    """
    ask = users(max_lines) if asks is None else asks
    messages: list[dict[str, Any]] = draw(st.lists(systems(), max_size=1))
    messages.append(draw(ask))
    for number in range(draw(st.integers(0, max_turns))):
        if draw(st.booleans()):
            messages += draw(exchanges(number, max_lines))
        else:
            messages += [draw(answers()), draw(ask)]
    more = draw(BODY_KEYS)
    return _body(draw(st.sampled_from(list(models))), messages, more)


def plain_users(max_lines: int = 20) -> st.SearchStrategy[dict[str, Any]]:
    """User messages that are one string."""
    return st.builds(lambda text: {"role": "user", "content": text}, texts(max_lines))


ODD_MESSAGES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    systems(4),
    users(12),
    answers(4),
    exchanges(9, 8).map(lambda messages: messages[0]),  # calls that nobody answers
    st.builds(
        lambda content, call_id: {"role": "tool", "tool_call_id": call_id, "content": content},
        contents(12),
        st.sampled_from(["call_9_0", "call_unknown", ""]),
    ),
    st.builds(
        lambda content: {"role": "function", "name": "search", "content": content}, texts(12)
    ),
    st.just(
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "search", "arguments": '{"q": 1}'},
        }
    ),
    st.sampled_from(
        [
            {"role": "user"},
            {"role": "user", "content": None},
            {"role": "user", "content": []},
            {"role": "user", "content": 5},
            {"role": "assistant", "content": None, "tool_calls": None},
            {"role": "assistant", "content": None, "tool_calls": ["what"]},
            {
                "role": "assistant",
                "tool_calls": [{"id": None, "function": {"name": None, "arguments": {"a": 1}}}],
            },
        ]
    ),
)


def odd_bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies whose messages come in any order, with calls and results that belong to nobody."""
    return st.builds(_body, st.sampled_from(MODELS), st.lists(ODD_MESSAGES, max_size=6), BODY_KEYS)


def chat_bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Proper conversations and odd bodies."""
    return st.one_of(conversations(max_turns=3, max_lines=30), odd_bodies())


def resent(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was sent before each of the model's messages, shortest first, and the body itself.

    Where the model spoke twice in a row, its messages were first sent together.
    """
    messages = body["messages"]
    cuts = [
        n
        for n, message in enumerate(messages)
        if n and message["role"] == "assistant" and messages[n - 1]["role"] != "assistant"
    ]
    return [{**body, "messages": messages[:n]} for n in cuts] + [dict(body)]


# ------------------------------------------------------------------------------------------- JSON
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "true", "null", "1", "-0", "01", "1e5", "a|b", "@1", "x=y", '"', "{", " s ", "1٣"]
    ),
    st.text(max_size=8),
)
JSON_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def json_tables(draw: st.DrawFn) -> Any:
    """Arrays of nearly like objects, nested, with absent keys and odd cells."""
    keys = draw(
        st.lists(
            st.one_of(
                st.sampled_from(["id", "user name", "$ref", "x-y", "a/b", "@type", "é", " lead"]),
                st.text(st.characters(codec="utf-8"), max_size=4),
            ),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    nested = draw(st.sampled_from([None, *keys]))
    columns = {key: draw(st.sampled_from([_SCALARS, JSON_VALUES, st.just("same")])) for key in keys}
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        row: dict[str, Any] = {}
        for key in keys:
            if draw(st.integers(0, 9)) == 0:
                continue
            value = draw(columns[key])
            row[key] = {"one": value, "two": draw(_SCALARS)} if key == nested else value
        rows.append(row)
    return draw(st.sampled_from([rows, {"items": rows, "n": len(rows)}, [rows, {"deep": rows}]]))


def json_texts() -> st.SearchStrategy[str]:
    """JSON documents as text, in several spellings."""

    def written(value: Any, indent: int | None, ascii_only: bool) -> str:  # noqa: FBT001 - drawn
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    return st.builds(
        written,
        st.one_of(json_tables(), JSON_VALUES),
        st.sampled_from([None, 0, 2]),
        st.booleans(),
    )
