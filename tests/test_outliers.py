"""Rows that are not like the others are found in tables, and ordinary ones are not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress import tables
from tokenthrift.compress.outliers import FEWEST_ROWS, odd_in_tables, odd_rows
from tokenthrift.pipeline import plan


def orders(n: int) -> list[dict[str, Any]]:
    """Orders that differ in their values only."""
    return [
        {
            "id": f"ord_{1000 + 37 * i}",
            "customer": f"cust_{(i * 7919) % 9000}",
            "status": "fulfilled",
            "region": ["us-east-1", "eu-west-1", "ap-south-1"][i % 3],
            "cents": 100 + (i * 317) % 9_000,
            "note": ["gift wrap", "leave at the door", "signature"][i * i % 3],
        }
        for i in range(n)
    ]


def test_ordinary_rows_are_not_odd() -> None:
    """Ids, amounts and words of a small set differ without being odd."""
    rows = [list(map(str, row.values())) for row in orders(60)]
    assert not any(odd_rows(rows))


def test_a_value_or_a_shape_that_is_rare_is_odd() -> None:
    """A failed status, a filled cell that is empty elsewhere, and a path of another form."""
    rows = [[f"src/pkg{i}/mod{i * 3}.py", "ok", ""] for i in range(50)]
    rows[7][1] = "failed"
    rows[20][2] = "GATEWAY_TIMEOUT"
    rows[33][0] = "src/legacy/gateway_a09ed9.py"
    assert [n for n, odd in enumerate(odd_rows(rows)) if odd] == [7, 20, 33]


def test_few_rows_have_no_ordinary_one() -> None:
    """Nothing can be said of a handful."""
    assert not any(odd_rows([["a"], ["a"], ["b"]]))


@examples(100)
@given(st.integers(FEWEST_ROWS, 40), st.integers(0, 39))
def test_odd_rows_are_found_where_they_stand(n: int, at: int) -> None:
    """Spans of a table's text are whole rows, of the odd ones only."""
    rows = orders(n)
    rows[at % n]["status"] = "failed"
    text = tables.encode(json.dumps({"orders": rows}, indent=1))
    assert text is not None
    ((start, end),) = odd_in_tables(text)
    assert text[start:end].startswith(f"{rows[at % n]['id']}|")
    assert text[end - 1] == "\n" or end == len(text)


def test_in_a_loop_odd_rows_and_all_ids_stay() -> None:
    """The failed order stays whole, the others at least by their ids."""
    rows = orders(60)
    rows[41] |= {"status": "failed", "error": "GATEWAY_TIMEOUT", "trace": "trace-5f0c9a"}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Find the cause of the outage."}]
    for n, text in enumerate(["ok", "ok", json.dumps(rows, indent=2)]):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "get", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": text},
        ]
    select = {"stage": "select", "keep": 0.5, "min_tokens": 100}
    made = plan({"model": "gpt-4o", "messages": messages}, {"stages": [{"stage": "json"}, select]})
    sent = made.body["messages"][-1]["content"]
    assert "GATEWAY_TIMEOUT|trace-5f0c9a" in sent
    assert sum(row["id"] in sent for row in rows) >= 58


def test_lines_of_a_text_are_no_rows() -> None:
    """A line of a text inside JSON is not odd for having no bars where others have some."""
    printed = "".join(f"{n} | INFO | all is well\n" for n in range(30)) + "gone | ERROR | lost\n"
    text = tables.encode(json.dumps({"stdout": printed.replace("all", '"all"'), "code": 0}))
    assert text is not None
    assert "@1 32 lines" in text
    assert odd_in_tables(text) == []
