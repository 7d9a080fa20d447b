"""Write the tables of benchmarks/README.md from the results; nothing in them is typed by hand.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from data import HERE, RESULTS

README = HERE / "README.md"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def quality(result: dict[str, Any]) -> str:
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    ratios: list[str] = []
    for row in result["rows"]:
        if row["metric"] in ("over", "valid"):
            continue
        key = (row["family"], row["metric"])
        text = f"{row['mean']:.3f}"
        if row["compressor"] == "tokenthrift":
            text += f" [{row['low']:.2f}, {row['high']:.2f}]"
        cells.setdefault(key, {})[row["ratio"], row["compressor"]] = text
        if row["ratio"] not in ratios:
            ratios.append(row["ratio"])
    ratios.sort(key=lambda r: float(r[:-1]))
    head = ["family", "metric", *[f"{c} {r}" for r in ratios for c in ("BM25", "ours")]]
    rows = []
    for (family, metric), found in sorted(cells.items()):
        pairs = [found[r, c] for r in ratios for c in ("bm25", "tokenthrift")]
        rows.append([family, metric, *pairs])
    ours = [r for r in result["rows"] if r["compressor"] == "tokenthrift"]
    over = max(r["mean"] for r in ours if r["metric"] == "over")
    valid = min(r["mean"] for r in ours if r["metric"] == "valid")
    note = f"Over budget: {over:.3f} at most; valid: {valid:.3f} at least, over all families."
    return f"{markdown(head, rows)}\n\n{note}"


def bars(result: dict[str, Any]) -> str:
    head = ["family", "metric", "must", "reach", "ours", "n", ""]
    rows = []
    for row in result["quality"]:
        family = f"{row['family']} {row['part']}".strip()
        ours = f"{row['mean']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
        word = verdict(must=row["mean"] >= row["must"], reach=row["mean"] >= row["reach"])
        metric = f"{row['metric']}, {row['ratio']:g}x"
        aims = [f"{row['must']:g}", f"{row['reach']:g}"]
        rows.append([family, metric, *aims, ours, str(row["n"]), word])
    for row in result["bill"]:
        found = row["found"]
        ours = f"{found['ratio']:.3f} ({found['now']:.4f})"
        must = found["ratio"] <= row["ratio"] and found["now"] >= row["values"]
        reach = found["ratio"] <= row["ratio_reach"] and found["now"] >= row["values_reach"]
        sound = found["valid"] == 1 and not found["larger"] and not found["errors"]
        aims = [f"{row['ratio']:g} ({row['values']:g})"]
        aims.append(f"{row['ratio_reach']:g} ({row['values_reach']:g})")
        metric = f"bill, {row['policy']}, {row['provider']}"
        word = verdict(must=must and sound, reach=reach and sound)
        rows.append([row["sessions"], metric, *aims, ours, str(row["n"]), word])
    return markdown(head, rows)


def verdict(*, must: bool, reach: bool) -> str:
    return "reach" if reach and must else "met" if must else "**missed**"


def bill(result: dict[str, Any]) -> str:
    head = ["provider, family", "conversations", "policy", "billed / unchanged (95 %)",
            "values the next step needs", "re-writes", "ms p50 / p99"]  # fmt: skip
    rows = []
    for name, found in result.items():
        for r in found["rows"]:
            low, high = r["ratio_ci"]
            kept = "-" if r["now"] is None else f"{r['now']:.3f} of {r['now_values']}"
            rows.append([
                name, str(found["conversations"]), r["compressor"],
                f"{r['ratio']:.3f} [{low:.3f}, {high:.3f}]", kept, str(r["rewrites"]),
                f"{r['ms_p50']:.1f} / {r['ms_p99']:.1f}",
            ])  # fmt: skip
    return markdown(head, rows)


def speed(result: dict[str, Any]) -> str:
    head = ["shape", "tokens", "policy", "n", "cold plan / one encode", "next turn / one encode",
            "of the cold plan"]  # fmt: skip
    rows = []
    for r in result["rows"]:
        spans = [
            f"{r[k]:.2f} [{r[f'{k}_interval'][0]:.2f}, {r[f'{k}_interval'][1]:.2f}]"
            for k in ("cold", "next_turn")
        ]
        shares = ", ".join(f"{k} {100 * v:.0f} %" for k, v in r["shares"].items() if v >= 0.02)
        start = [r["shape"], f"{r['tokens']:,}", r["policy"], str(r["n"])]
        rows.append([*start, *spans, shares])
    return markdown(head, rows)


def token_estimates(result: dict[str, Any]) -> str:
    head = ["family", "n", "Claude 2 / o200k: median (95 % of records)"]
    rows = [
        [r["family"], str(r["n"]), f"{r['median']:.2f} ({r['low']:.2f} to {r['high']:.2f})"]
        for r in result["rows"]
    ]
    stated = result["stated"]
    return f"{markdown(head, rows)}\n\nStated: {stated['factor']} within {stated['error']:.0%}."


def redaction(result: dict[str, Any]) -> str:
    head = ["family", "records", "texts", "M characters", "records with findings", "kinds", "MB/s"]
    rows = []
    for r in result["rows"]:
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(r["kinds"].items()))
        counts = [f"{r[k]:,}" for k in ("records", "texts")]
        size = f"{r['characters'] / 1e6:.1f}"
        rows.append([r["family"], *counts, size, str(r["hit"]), kinds, f"{r['mb_s']:.0f}"])
    return markdown(head, rows)


def tool_schemas(result: dict[str, Any]) -> str:
    head = ["server", "tools", "tokens", "compacted", "saved"]
    rows = [[r["server"], r["tools"], r["before"], r["after"]] for r in result["rows"]]
    rows.append(["all", *(sum(row[n] for row in rows) for n in (1, 2, 3))])
    cells = [[r[0], *(f"{n:,}" for n in r[1:]), f"{1 - r[3] / r[2]:.1%}"] for r in rows]
    took = ", ".join(f"{rule} {n}" for rule, n in result["rules"].items())
    return f"{markdown(head, cells)}\n\nTaken: {took}."


def ranking(result: dict[str, Any]) -> str:
    metrics = [k for k, v in result["rows"][0].items() if isinstance(v, dict)]
    rows = []
    for r in result["rows"]:
        cells = [
            f"{100 * r[m]['mean']:.1f} [{100 * r[m]['low']:.1f}, {100 * r[m]['high']:.1f}]"
            for m in metrics
        ]
        rows.append([r["scorer"], str(r["n"]), *cells])
    return markdown(["scorer", "n", *metrics], rows)


MUST = {
    ("qmsum", "unit_recall"): 0.60, ("locomo", "unit_recall"): 0.91, ("locomo", "answer"): 0.96,
    ("leval", "unit_recall"): 0.77, ("leval", "answer"): 0.86,
    ("nq20", "answer"): 0.68, ("nq20", "unit_recall"): 0.49,
}  # fmt: skip
"""What `fast` was asked to keep at 4x."""


def relevance(result: dict[str, Any]) -> str:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    names: list[str] = []
    notes: list[str] = []
    for r in result["rows"]:
        name = r["compressor"]
        mean = f"{100 * r['mean']:.1f} [{100 * r['low']:.1f}, {100 * r['high']:.1f}]"
        mean += f" ({r['kept']:.0%} sent)" if r["over"] > 0.01 else ""
        cells.setdefault((r["family"], r["metric"]), {})[name] = mean
        if name not in names:
            names.append(name)
        if r["errors"]:
            notes.append(f"{name} raised on {r['errors']} of {r['n']} {r['family']} records")
    head = ["records", "metric", "asked of `fast`", *names]
    rows = [
        [family, metric, f"{100 * MUST[family, metric]:.0f}", *[found.get(n, "-") for n in names]]
        for (family, metric), found in cells.items()
    ]
    table = markdown(head, rows)
    return table + (f"\n\n{'; '.join(dict.fromkeys(notes))}." if notes else "")


def pages(result: dict[str, Any]) -> str:
    found = {(r["half"], r["ratio"], r["metric"]): r for r in result["rows"]}
    ratios = list(dict.fromkeys(r["ratio"] for r in result["rows"]))
    metrics = list(dict.fromkeys(r["metric"] for r in result["rows"]))
    rows = []
    for part in ("set", "other", "all"):
        for metric in metrics:
            cells = [found[part, ratio, metric] for ratio in ratios]
            shown = [f"{c['mean']:.3f} [{c['low']:.2f}, {c['high']:.2f}]" for c in cells]
            rows.append([part, str(cells[0]["n"]), metric, *shown])
    return markdown(["half", "n", "metric", *ratios], rows)


def forms(result: dict[str, Any]) -> str:
    cells: dict[str, dict[str, str]] = {}
    ways = sorted({r["way"] for r in result["rows"]}, key=lambda w: (w[:4], -float(w[5:])))
    for r in result["rows"]:
        text = f"{r['mean']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
        cells.setdefault(r["what"], {"n": str(r["n"])})[r["way"]] = text
    rows = [[what, found["n"], *[found[w] for w in ways]] for what, found in cells.items()]
    found = result["searches"]
    note = (
        f"Searches by file: {found['texts']} results, {found['before']:,} to {found['after']:,} "
        f"tokens ({1 - found['after'] / found['before']:.0%} less), without loss."
    )
    return f"{markdown(['share that stays', 'n', *ways], rows)}\n\n{note}"


def source_code(result: dict[str, Any]) -> str:
    found = {(r["half"], r["ratio"], r["asked"], r["cut"], r["metric"]): r for r in result["rows"]}
    ratios = list(dict.fromkeys(r["ratio"] for r in result["rows"]))
    rows = []
    for half in ("set", "other", "all"):
        for asked in ("docstring", "name"):
            for metric in ("parses", "signatures", "body", "body_whole", "sent", "over"):
                cells = [found[half, r, asked, cut, metric] for r in ratios for cut in CUTS]
                shown = [f"{c['mean']:.3f} [{c['low']:.2f}, {c['high']:.2f}]" for c in cells]
                rows.append([half, str(cells[0]["n"]), asked, metric, *shown])
    heads = [f"{cut} {ratio}" for ratio in ratios for cut in CUTS]
    table = markdown(["half", "n", "asked by", "metric", *heads], rows)
    times = [
        [t["work"], str(t["n"]), f"{t['median']:.2f} [{t['low']:.2f}, {t['high']:.2f}]"]
        for t in result["times"]
    ]
    return f"{table}\n\n{markdown(['cutting', 'n', 'of one encode'], times)}"


def quality_syntax(result: dict[str, Any]) -> str:
    rows = [
        [r["family"], r["metric"], r["ratio"], str(r["n"]),
         f"{r['mean']:.3f} [{r['low']:.2f}, {r['high']:.2f}]"]
        for r in result["rows"] if r["compressor"] == "tokenthrift"
    ]  # fmt: skip
    return markdown(["family", "metric", "ratio", "n", "syntax"], rows)


def scorer_speed(result: dict[str, Any]) -> str:
    head = ["tokens", "units", "rung", "n", "in a plan / one encode", "cold / one encode"]
    rows = []
    for r in result["rows"]:
        spans = [
            f"{r[k]:.2f} [{r[f'{k}_interval'][0]:.2f}, {r[f'{k}_interval'][1]:.2f}]"
            for k in ("plan", "cold")
        ]
        rows.append([f"{r['tokens']:,}", f"{r['units']:,}", r["rung"], str(r["n"]), *spans])
    return markdown(head, rows)


def routing_money(result: dict[str, Any]) -> str:
    head = ["seller, family", "predicted", "way", "of the best pinned bill, all (mean, 95 %)",
            "dearer conversations (worst)", "switches (conversations)",
            "P(adequate), pinned"]  # fmt: skip
    rows = [
        [
            f"{r['seller']} {r['family']}", r["told"].replace("_", " "), r["way"],
            f"{r['total_ratio']:.3f} ({r['ratio']:.3f} [{r['low']:.3f}, {r['high']:.3f}])",
            f"{r['dearer']} of {r['conversations']} ({r['worst']:.2f})",
            f"{r['switches']} of {r['requests'] - r['conversations']} ({r['switched']})",
            f"{r['adequate']:.3f}, {r['best_adequate']:.3f}",
        ]
        for r in result["rows"]
    ]  # fmt: skip
    return markdown(head, rows)


def certificate(result: dict[str, Any]) -> str:
    head = ["source", "prompts, models", "promise", "proven % (broken %), fitted",
            "shuffled", "Hoeffding", "bootstrap", "saved % (possible)",
            "calibrate: routed", "on dev: lost %, saved %"]  # fmt: skip
    rows = []
    for source, found in result.items():
        by = {(r["abilities"], r["test"], r["worse"]): r for r in found["simulated"]}
        for worse, done in found["calibrated"].items():
            x = float(worse)
            fitted = by["fitted", "bet", x]
            routed = [d for d in done if d["routes"]]
            dev = [f"{100 * d['lost']:.1f}, {100 * d['saved']:.1f}" for d in routed]
            rows.append([
                source, f"{found['prompts']:,}, {found['models']}", f"{100 * x:g} %",
                *(_proven(by[k]) for k in (("fitted", "bet", x), ("shuffled", "bet", x),
                                           ("fitted", "hoeffding", x), ("fitted", "bootstrap", x))),
                f"{100 * fitted['saved']:.1f} ({100 * fitted['possible']:.1f})",
                f"{len(routed)} of {len(done)}", "; ".join(dev) or "-",
            ])  # fmt: skip
    sums = {}
    for test in ("bet", "hoeffding", "bootstrap"):
        for kind in ("fitted", "shuffled"):
            every = [r for f in result.values() for r in f["simulated"]
                     if (r["test"], r["abilities"]) == (test, kind)]  # fmt: skip
            drawn, broken = (sum(r[k] for r in every) for k in ("samples", "broken"))
            worst = max(r["broken"] / r["samples"] for r in every)
            sums[test, kind] = (
                f"{test}, {kind}: {100 * broken / drawn:.2f} % of {drawn:,.0f} "
                f"samples, at worst {100 * worst:.1f} % in a source"
            )
    return (
        f"{markdown(head, rows)}\n\nBroken promises over all sources: {'; '.join(sums.values())}."
    )


def _proven(row: dict[str, Any]) -> str:
    return (
        f"{100 * row['proven'] / row['samples']:.0f} ({100 * row['broken'] / row['samples']:.1f})"
    )


def routing(result: dict[str, Any]) -> str:
    def span(r: dict[str, Any]) -> str:
        low, high = r["interval"]
        return f"{r['value']:.3f} [{low:.3f}, {high:.3f}]"

    parts = []
    if "transfer" in result:
        rows = [[r["set"], r["router"], span(r)] for r in result["transfer"]]
        rows += [
            [r["set"], f"fit on {r['rows']} of its rows, {r['splits']} splits", span(r)]
            for r in result.get("own", [])
        ]
        parts.append(markdown(["set", "router", "APGR"], rows))
    for name, value in (("frontier", "dAIQ"), ("calibration", "Brier skill")):
        if name not in result:
            continue
        rows = [
            [r["source"], r.get("router", "adapters"), span(r),
             f"{r['ece']:.3f}" if "ece" in r else ""]
            for r in result[name]
        ]  # fmt: skip
        routers = dict.fromkeys(r.get("router", "adapters") for r in result[name])
        for router in routers:
            own = [r["value"] for r in result[name] if r.get("router", "adapters") == router]
            mean = sum(own) / len(own)
            rows.append([f"mean of {len(own)}", router, f"{mean:.3f}", ""])
        parts.append(markdown(["source", "router", value, "ECE"], rows))
    if "placed" in result:
        rows = [
            [r["source"], str(r["models"]), f"{r['full']:.3f}", f"{r['placed']:.3f}",
             f"{r['placed'] / r['full']:.0%}"]
            for r in result["placed"]
        ]  # fmt: skip
        head = ["source", "models left out", "skill, full fit", "skill, 100 anchors", "share"]
        parts.append(markdown(head, rows))
    if "robustness" in result:
        rows = [
            [r["change"], r["router"], f"{r['stable']:.3f}", f"{r['upgrade']:.3f}"]
            for r in result["robustness"]
        ]
        parts.append(markdown(["change", "router", "same decision", "upgraded"], rows))
    if "latency" in result:
        rows = [[r["router"], f"{r['p50']:.2f}", f"{r['p99']:.2f}"] for r in result["latency"]]
        parts.append(markdown(["router", "ms p50", "ms p99"], rows))
    return "\n\n".join(parts)


def ledger(result: dict[str, Any]) -> str:
    head = ["what", "over", "bar", "on the clock", "of processors"]
    bar, n = result["bars"], result["writes"]
    rows = [["one write, p50 (p99)", f"{n['n']:,} writes", f"< {bar['write_ms']:g} ms",
             f"{n['p50_ms']:.3f} ms ({n['p99_ms']:.1f})", ""]]  # fmt: skip
    for part, name, limit in (
        ("sqlite", "SQLite", bar["report_s"]), ("parquet", "Parquet", bar["parquet_s"]),
    ):  # fmt: skip
        found = result[part]
        over = f"{found['records']:,} calls, {name}, {found['bytes'] / 1e9:.1f} GB"
        for row in found["rows"]:
            by = f"by {row['by']}" if row["by"] else "totals"
            for kind, what in (("query", "report"), ("command", "command")):
                if f"{kind}_s" in row:
                    took = [f"{row[f'{kind}{end}']:.2f} s" for end in ("_s", "_cpu_s")]
                    rows.append([f"{what}, {by}", over, f"< {limit:g} s", *took])
    note = (
        f"Load of the machine: {result['load']:.1f} on {result['cores']} cores. The start of the "
        f"command alone: {result['start_s']:.2f} s, {result['start_cpu_s']:.2f} s of processors. "
        f"Medians of {result['repeats']} runs."
    )
    return f"{markdown(head, rows)}\n\n{note}"


def service(result: dict[str, Any]) -> str:
    head = ["server", "callers", "requests/s (rounds)", "ms p50 / p99", "ms added at p50",
            "processor ms", "n"]  # fmt: skip
    rows = []
    for r in sorted(result["rows"], key=lambda r: r["callers"]):
        low, high = r["per_s_range"]
        rate = f"{r['per_s']:.0f} ({low:.0f} to {high:.0f})"
        times = f"{r['p50_ms']:.1f} / {r['p99_ms']:.1f}"
        added = "" if r["server"] == "direct" else f"{r['added_p50_ms']:.1f}"
        cpu = f"{r['cpu_ms']:.1f}"
        rows.append([r["server"], str(r["callers"]), rate, times, added, cpu, f"{r['n']:,}"])
    parts = [markdown(head, rows), *_against_proxy(result["rows"])]
    if result.get("memory"):
        held = sorted(result["memory"])
        rows = [[f"{n:,.0f}", f"{mb:.0f}"] for n, mb in held[:: max(1, len(held) // 8)]]
        parts.append(markdown(["requests", "MB resident"], rows))
    if "soak" in result:
        parts.append(_soaked(result["soak"]))
    return "\n\n".join(parts)


def _soaked(found: dict[str, Any]) -> str:
    answers = ", ".join(f"{n:,} {what}" for what, n in sorted(found["answers"].items()))
    records = ", ".join(f"{n:,} {what}" for what, n in sorted(found["records"].items()))
    total, written = sum(found["answers"].values()), sum(found["records"].values())
    held = sorted(found["held"])
    middle, last = held[len(held) // 2], held[-1]
    return (
        f"Soak of {found['seconds']:.0f} s with 64 callers and faults in 1 %: {total:,} requests "
        f"({answers}), {written:,} records ({records}); {middle[1]:.0f} MB half way and "
        f"{last[1]:.0f} MB at the end, {last[2]} files open in it and "
        f"{found['files_at_the_end']} after it."
    )


def _against_proxy(rows: list[dict[str, Any]]) -> list[str]:
    """How many times the proxy's requests a second, and what share of its added time."""
    by = {(r["server"], r["callers"]): r for r in rows}
    found = []
    for (name, callers), ours in by.items():
        theirs = by.get(("LiteLLM proxy", callers))
        if name == "tokenthrift, balanced" and theirs is not None:
            times = ours["per_s"] / theirs["per_s"]
            share = ours["added_p50_ms"] / theirs["added_p50_ms"]
            found.append(
                f"`balanced` at c={callers}: {times:.1f} times the requests/s of the proxy (bar: "
                f"5), {share:.2f} of the time that it adds at p50 (bar: 0.25)."
            )
    return found


def coverage(result: dict[str, Any]) -> str:
    head = ["sessions", "held", "saves", "tails", "share", "percentiles", "adjusted", "$ saved",
            "outcome", "width", "adjusted"]  # fmt: skip
    rows = []
    for r in result["intervals"]:
        hits = [
            f"{100 * r['covered'][k]:.1f}"
            for k in ("share", "percentile", "share_adjusted", "saved", "outcome")
        ]
        spans = [f"{r['width'][k]:.2f}" for k in ("share", "share_adjusted")]
        rows.append([*_setting(r), *hits, *spans])
    made = markdown(head, rows)
    every = result["intervals"]
    n = sum(r["n"] for r in every)
    whole = [
        f"{label} {100 * sum(r['covered'][k] * r['n'] for r in every) / n:.1f} %"
        for k, label in (("share", "share"), ("saved", "$ saved"), ("percentile", "percentiles"))
    ]
    head = ["sessions", "held", "saves", "tails", "alarm: costs %", "alarm: outcomes %",
            "sequence misses %", "median session of the alarm"]  # fmt: skip
    rows = [
        [
            *_setting(r),
            *(f"{100 * r[k]:.1f}" for k in ("cost", "outcome", "sequence_missed")),
            "-" if r["median_session"] is None else f"{r['median_session']:,}",
        ]
        for r in result["alarms"]
    ]
    return f"{made}\n\nOver all {n:,}: {', '.join(whole)}.\n\n{markdown(head, rows)}"


def _setting(row: dict[str, Any]) -> list[str]:
    shares = [f"{100 * row[k]:.0f} %" for k in ("held", "saves")]
    return [f"{row['sessions']:,}", *shares, f"{row['tails']:g}"]


def cache_model(result: dict[str, Any]) -> str:
    head = ["wire", "policy", "kind", "conversations", "requests", "with cached input", "exact"]
    keys = ("conversations", "requests", "with_cached_input", "predicted_exactly")
    sums: dict[tuple[str, str, str], list[int]] = {}
    for r in result["exact"]:
        row = sums.setdefault((r["wire"], r["policy"], r["kind"]), [0] * len(keys))
        row[:] = [total + r[k] for total, k in zip(row, keys, strict=True)]
    made = markdown(head, [[*of, *(f"{n:,}" for n in row)] for of, row in sums.items()])
    head = ["worn", "kind", "requests", "exact", "mean error, tokens (95 %)", "other half"]
    head.append("inside")
    rows = [
        [
            r["wire"],
            r["kind"],
            *(f"{r[k]:,}" for k in ("requests", "predicted_exactly")),
            f"{r['error_tokens']:.1f} [{r['low']:.1f}, {r['high']:.1f}]",
            f"{r['other_half']:.1f}",
            "yes" if r["inside"] else "**no**",
        ]
        for r in result["worn"]
    ]
    return f"{made}\n\n{markdown(head, rows)}"


CUTS = ("lines", "syntax")
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "bars": bars,
    "quality": quality, "bill": bill, "speed": speed, "token_estimates": token_estimates,
    "ranking": ranking, "ranking_onnx": ranking, "relevance": relevance,
    "scorer_speed": scorer_speed, "pages": pages, "tool_schemas": tool_schemas,
    "redaction": redaction, "forms": forms, "source_code": source_code,
    "quality_syntax": quality_syntax, "routing": routing, "routing_money": routing_money,
    "certificate": certificate, "ledger": ledger, "service": service,
    "coverage": coverage, "cache_model": cache_model,
}  # fmt: skip


def main() -> None:
    text = README.read_text()
    for name, table in TABLES.items():
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        stored = json.loads(path.read_text())
        origin = ", ".join(f"{k} {v}" for k, v in stored["origin"].items() if v is not None)
        block = f"<!-- {name} -->\n{table(stored['result'])}\n\nFrom: {origin}.\n<!-- /{name} -->"
        pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
        text = pattern.sub(lambda _, b=block: b, text)  # type: ignore[misc]
    README.write_text(text)


if __name__ == "__main__":
    main()
