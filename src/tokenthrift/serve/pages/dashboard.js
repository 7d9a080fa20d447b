// The dashboard: takes data from the service as they change, and shows them.
// Names come from callers, so everything is set as text, never as markup.
"use strict";

const SPANS = [["1h", "1 h", "1 hour"], ["24h", "24 h", "24 hours"], ["7d", "7 d", "7 days"], ["30d", "30 d", "30 days"], ["all", "all", "all calls"]];
const $ = (id) => document.getElementById(id);
let source = null;
let shown = null;

// ---------------------------------------------------------------------------------- words
const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function money(nanos, digits) {
  if (nanos === null || nanos === undefined) return "unpriced";
  const dollars = nanos / 1e9;
  const places = digits ?? (dollars === 0 ? 2 : Math.min(9, Math.max(2, 3 - Math.floor(Math.log10(Math.abs(dollars))))));
  return (dollars < 0 ? "-$" : "$") + Math.abs(dollars).toLocaleString("en", { minimumFractionDigits: Math.min(places, 4), maximumFractionDigits: places });
}
const share = (part, all) => (all ? `${(100 * part / all).toFixed(1)} %` : "-");
const ms = (value) => (value === null || value === undefined ? "-" : value < 10 ? `${value.toFixed(1)} ms` : value < 10000 ? `${whole.format(Math.round(value))} ms` : `${(value / 1000).toFixed(1)} s`);
const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = (iso) => new Date(iso).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
const signed = (nanos) => ({ text: money(nanos), kind: nanos < 0 ? "loss" : nanos > 0 ? "saved" : "" });

// ------------------------------------------------------------------------------- elements
function made(tag, text = "", kind = "") {
  const element = document.createElement(tag);
  if (text !== "") element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

// A table; heads that begin with "#" are over numbers, cells are text, {text, kind} or elements.
function table(caption, heads, rows) {
  const element = made("table");
  element.append(made("caption", caption, "unseen"));
  const head = element.createTHead().insertRow();
  for (const name of heads) {
    const cell = made("th", name.replace(/^#/, ""), name.startsWith("#") ? "n" : "");
    cell.scope = "col";
    head.append(cell);
  }
  const body = element.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((value, n) => {
      const cell = line.insertCell();
      if (heads[n].startsWith("#")) cell.classList.add("n");
      if (value instanceof Node) cell.append(value);
      else if (value !== null && typeof value === "object") {
        cell.textContent = value.text;
        if (value.kind) cell.classList.add(value.kind);
      } else cell.textContent = value;
    });
  }
  return element;
}

function put(id, ...nodes) {
  $(id).replaceChildren(...nodes);
}

const nothing = (text) => made("p", text, "faint");

// -------------------------------------------------------------------------------- figures
function headline(data) {
  const t = data.totals;
  if (!t.calls) {
    $("headline").textContent = "No calls in this span";
    $("lead").textContent = "Calls appear here as soon as they are over.";
    return;
  }
  const word = t.net_nanos < 0 ? "More paid" : "Saved";
  $("headline").replaceChildren(`${word} `, made("span", money(Math.abs(t.net_nanos)), t.net_nanos < 0 ? "loss" : "saved"),
    ` of ${money(t.baseline_nanos)}`);
  const sure = data.net_share
    ? `95 % interval ${(100 * data.net_share.low).toFixed(1)} to ${(100 * data.net_share.high).toFixed(1)} % of the bill, over sessions.`
    : "Too few sessions yet for an interval.";
  const unpriced = t.unpriced_calls ? ` ${whole.format(t.unpriced_calls)} calls have no known price and are in no sum of savings.` : "";
  $("lead").textContent = `${share(t.net_nanos, t.baseline_nanos)} net of everything: rejected attempts, recalls, cache writes. ${sure}${unpriced}`;
}

function facts(data) {
  const t = data.totals;
  const first = data.latencies.find((row) => row.name === "first chunk");
  const speed = data.latencies.find((row) => row.unit === "tokens/s");
  const rows = [
    ["Paid", money(t.spent_nanos), "all attempts"],
    ["Calls", whole.format(t.calls), t.failed_calls ? `${whole.format(t.failed_calls)} failed` : "none failed"],
    ["Input tokens", short.format(t.input_tokens), `${share(t.cache_read_tokens, t.input_tokens)} from caches`],
    ["Output tokens", short.format(t.output_tokens), `${short.format(t.reasoning_tokens)} reasoning`],
    ["Context cut", share(t.saved_tokens, t.counted_baseline_tokens), `${short.format(t.saved_tokens)} tokens`],
    ["First chunk", first ? ms(first.p50) : "-", "median"],
    ["Answers", speed ? `${speed.p50.toFixed(0)} tokens/s` : "-", "median"],
  ];
  put("facts", ...rows.map(([name, value, more]) => {
    const box = made("div");
    const value_ = made("dd", value);
    value_.append(made("small", more));
    box.append(made("dt", name), value_);
    return box;
  }));
}

function time(data) {
  const minutes = data.step_s / 60;
  const step = minutes < 60 ? `${minutes} minutes` : minutes < 1440 ? `${minutes / 60} hours` : minutes === 1440 ? "a day" : `${minutes / 1440} days`;
  $("time-words").textContent = `Each bar is ${step}; its line is the 95 % interval over sessions, where there are enough.`;
  const rows = [...data.series].reverse().map((p) => [
    moment(p.start), whole.format(p.calls), money(p.baseline_nanos), money(p.spent_nanos), signed(p.net_nanos),
    p.net_low_nanos === null ? "-" : `${money(p.net_low_nanos)} to ${money(p.net_high_nanos)}`,
    short.format(p.input_tokens), short.format(p.output_tokens),
  ]);
  put("table-time", table("Net savings over time", ["from", "#calls", "#baseline", "#paid", "#net", "#95 % interval", "#input", "#output"], rows));
  return charts.time("chart-time", data.series, data.step_s);
}

function groups(kind, rows, name) {
  const labelled = rows.map((r) => ({ ...r, label: r.name === "" ? `(no ${name})` : r.name }));
  put(`table-${kind}`, table(`By ${name}`, [name, "#calls", "#input", "#output", "#paid", "#net"], labelled.map((r) => [
    { text: r.label, kind: "words" }, whole.format(r.calls), short.format(r.input_tokens), short.format(r.output_tokens),
    r.unpriced_calls === r.calls ? "unpriced" : money(r.spent_nanos), r.unpriced_calls === r.calls ? "-" : signed(r.net_nanos),
  ])));
  return charts.groups(`chart-${kind}`, labelled);
}

function tags(data) {
  const names = Object.keys(data.tags);
  const chooser = $("tag");
  const wanted = chooser.value;
  if ([...chooser.options].map((o) => o.value).join() !== names.join()) {
    chooser.replaceChildren(...names.map((n) => new Option(n, n)));
    if (names.includes(wanted)) chooser.value = wanted;
  }
  chooser.hidden = !names.length;
  $("chart-tags").hidden = !names.length;
  if (!names.length) {
    put("table-tags", nothing("No call carries a team, user, app, feature or environment. Tags come with the header x-tokenthrift-tags, or with the key."));
    return undefined;
  }
  return groups("tags", data.tags[chooser.value], chooser.value);
}

function mix(data) {
  for (const p of document.querySelectorAll(".read-calls")) p.textContent = `Of the newest ${whole.format(data.read_calls)} calls.`;
  $("chart-mix").hidden = !data.mix.length;
  const rows = data.mix.flatMap((row) => Object.entries(row.models).map(([model, n]) => [row.bucket, { text: model, kind: "words" }, whole.format(n)]));
  put("table-mix", table("Complexity by model", ["complexity", "model", "#calls"], rows));
  return data.mix.length ? charts.mix("chart-mix", data.mix) : undefined;
}

function latency(data) {
  const value = (row, x) => (x === null ? "-" : row.unit === "ms" ? ms(x) : `${x.toFixed(0)} ${row.unit}`);
  put("table-latency", data.latencies.length
    ? table("Latency", ["", "#calls", "#p50", "#p95", "#p99"], data.latencies.map((row) => [row.name, whole.format(row.calls), ...["p50", "p95", "p99"].map((p) => value(row, row[p]))]))
    : nothing("Nothing measured yet."));
}

function limits(data) {
  $("limits-section").hidden = !data.limits.length;
  put("limits", ...data.limits.flatMap((account) => Object.entries(account.meters).map(([meter, use]) => {
    const row = made("div", "", "limit");
    const owner = Object.entries(account.owner).map(([k, v]) => `${k} ${v}`).join(", ") || "all calls";
    const amount = (n) => (meter === "nanos" ? money(n) : short.format(n));
    const name = made("span", `${account.limit}: ${owner}`);
    name.append(made("small", ` ${meter === "nanos" ? "money" : meter} a ${account.window}`));
    const bar = made("meter");
    bar.max = 1;
    bar.high = 0.8;
    bar.optimum = 0;
    bar.value = use.cap ? Math.min(1, (use.spent + use.held) / use.cap) : 1;
    const said = made("span", `${amount(use.spent + use.held)} of ${amount(use.cap)}`);
    const expired = use.expired_unused_share;
    said.append(made("small", ` until ${moment(account.resets_at)}${expired ? `; ${share(expired, 1)} of past windows expired unused` : ""}`));
    bar.setAttribute("aria-label", `${account.limit}, ${owner}: ${said.textContent}`);
    row.append(name, bar, said);
    return row;
  })));
}

function opener(recordId, label) {
  const button = made("button", label);
  button.type = "button";
  button.setAttribute("aria-label", `Show call ${recordId}`);
  button.addEventListener("click", () => open(recordId));
  return button;
}

function calls(data) {
  put("table-worst", data.regressions.length
    ? table("Calls that cost more", ["when", "call", "model", "#net", "why"], data.regressions.map((r) => [
      moment(r.at), opener(r.record_id, r.record_id.slice(0, 8)), { text: r.model, kind: "words" }, signed(r.net_nanos), { text: r.why.join("; "), kind: "words" }]))
    : nothing("None of them."));
  put("table-calls", data.calls.length
    ? table("Latest calls", ["when", "call", "model", "complexity", "#context", "#output", "#paid", "#net", "#first chunk", "#total", "status"], data.calls.map((c) => [
      clock(c.at), opener(c.record_id, c.record_id.slice(0, 8)),
      { text: c.model && c.model !== c.model_requested ? `${c.model} for ${c.model_requested}` : c.model ?? c.model_requested, kind: "words" },
      c.complexity || "-", `${short.format(c.tokens_before)} → ${short.format(c.tokens_after)}`, short.format(c.output_tokens),
      money(c.actual_nanos), c.net_nanos === null ? "-" : signed(c.net_nanos), ms(c.first_chunk_ms), ms(c.total_ms),
      { text: c.error || c.status, kind: c.status === "ok" ? "" : "loss" }]))
    : nothing("None yet."));
}

async function show(data) {
  shown = data;
  $("board").hidden = false;
  headline(data);
  facts(data);
  latency(data);
  limits(data);
  calls(data);
  $("main").dataset.at = data.at;
  try {
    await Promise.all([time(data), groups("models", data.models, "model"), tags(data), mix(data)]);
    $("main").dataset.drawn = data.at;
  } catch (error) {
    $("time-words").textContent = `No charts: ${error.message}. The tables hold the same figures.`;
  }
}

// ------------------------------------------------------------------------------- one call
async function open(recordId) {
  const answer = await fetch(`/dashboard/calls/${encodeURIComponent(recordId)}`);
  if (answer.status === 401) return door();
  const found = await answer.json();
  $("call-title").textContent = `Call ${recordId}`;
  put("call-body", ...(answer.ok ? parts(found) : [made("p", found.error?.message ?? "not found", "loss")]));
  $("call").showModal();
  return undefined;
}

function parts(found) {
  const { record, call: row } = found;
  const decision = record.decision;
  const nodes = [made("p", `${moment(row.at)}, policy ${row.policy}, ${row.model_requested} asked, ${row.model ?? "none"} answered, ${record.streamed ? "streamed" : "whole"}; ${money(row.actual_nanos)} paid, ${money(row.net_nanos)} net.`, "lead")];
  if (found.why) nodes.push(made("p", `Cost more than its baseline: ${found.why.join("; ")}.`, "loss"));
  if (decision) {
    nodes.push(made("h3", "Decision"), made("p", decision.reason || "no reason given"));
    if (decision.verdicts.length) nodes.push(scroll(table("Candidates", ["candidate", "verdict", "#P(adequate)", "#expected cost"], decision.verdicts.map(verdict))));
    const signals = Object.entries(decision.signals).filter(([, v]) => v > 0);
    if (signals.length) {
      const score = decision.complexity_score === null ? "" : ` ${decision.complexity_score.toFixed(2)}`;
      nodes.push(made("h3", `Complexity: ${decision.complexity_bucket || "not measured"}${score}`));
      nodes.push(scroll(table("Signals", ["signal", "#contribution"], signals.map(([k, v]) => [k, v.toFixed(3)]))));
    }
  }
  nodes.push(made("h3", "What was cut, by stage"), record.steps.length
    ? scroll(table("Steps", ["stage", "#before", "#after", "#texts changed", "error"], record.steps.map((s) => [s.stage, whole.format(s.tokens_before), whole.format(s.tokens_after), s.edits, { text: s.error, kind: "loss" }])))
    : nothing("Nothing: the request went as it was given."));
  nodes.push(made("h3", "Attempts"), record.attempts.length
    ? scroll(table("Attempts", ["#no.", "model", "status", "#input", "#cached", "#written", "#output", "#cost", "#first chunk", "#took"], record.attempts.map((a) => [
      a.number, a.model, { text: a.error ? `${a.status}: ${a.error}` : a.status, kind: a.status === "ok" ? "" : "loss" }, whole.format(a.input_tokens), whole.format(a.cache_read_tokens), whole.format(a.cache_write_tokens),
      whole.format(a.output_tokens) + (a.estimated ? " (est.)" : ""), money(a.cost_nanos), ms(a.time_to_first_chunk_ms), ms(a.latency_ms)])))
    : nothing("None: it was refused before it was sent."));
  const tagged = Object.entries(record.tags);
  const more = [tagged.length ? `Tags: ${tagged.map(([k, v]) => `${k} ${v}`).join(", ")}.` : "", record.limits.length ? `Limits: ${record.limits.join(", ")}.` : ""].filter(Boolean).join(" ");
  if (more) nodes.push(made("p", more, "faint"));
  return nodes;
}

function scroll(node) {
  const box = made("div", "", "scroll");
  box.append(node);
  return box;
}

function verdict(v) {
  const name = [v.model, v.effort, v.level === null || v.level === undefined ? "" : `level ${v.level}`].filter(Boolean).join(", ");
  const sure = v.forecast ? `${v.forecast.adequate.toFixed(2)} [${v.forecast.low.toFixed(2)}, ${v.forecast.high.toFixed(2)}]` : "-";
  const cost = v.net_cost_nanos ?? v.expected_cost_nanos;
  return [{ text: name || "-", kind: "words" }, { text: v.reason ? `${v.verdict}: ${v.reason}` : v.verdict, kind: "words" }, sure, cost === null ? "-" : money(cost)];
}

// ---------------------------------------------------------------------------- connections
const span = () => document.querySelector("#spans input:checked").value;

function state(name, words) {
  if ($("state").textContent === words) return;
  $("state").dataset.state = name;
  $("state").textContent = words;
}

function door() {
  source?.close();
  state("", "locked");
  $("board").hidden = true;
  $("leave").hidden = true;
  $("door").hidden = false;
  $("key").focus();
}

async function connect() {
  source?.close();
  const answer = await fetch(`/dashboard/data?span=${span()}`).catch(() => null);
  if (answer === null) {
    state("lost", "no connection");
    setTimeout(connect, 3000);
    return;
  }
  if (answer.status === 401 || answer.status === 403) {
    if (answer.status === 403) $("refused").textContent = (await answer.json()).error.message;
    door();
    return;
  }
  $("door").hidden = true;
  $("leave").hidden = !sessionStorage.getItem("visit");
  await show(await answer.json());
  source = new EventSource(`/dashboard/events?span=${span()}`);
  source.addEventListener("open", () => state("live", "live"));
  source.addEventListener("data", (event) => show(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    state("lost", "connection lost; trying again");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
}

$("spans").append(...SPANS.map(([value, words, name]) => {
  const label = made("label");
  const input = made("input");
  Object.assign(input, { type: "radio", name: "span", value, checked: value === "24h" });
  input.setAttribute("aria-label", name);
  input.addEventListener("change", connect);
  label.append(input, words);
  return label;
}));
$("tag").addEventListener("change", () => shown && tags(shown));
$("door").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("refused").textContent = "";
  const answer = await fetch("/dashboard/visit", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ key: $("key").value }) });
  if (!answer.ok) {
    $("refused").textContent = (await answer.json()).error.message;
    return;
  }
  $("key").value = "";
  sessionStorage.setItem("visit", "yes");
  connect();
});
$("leave").addEventListener("click", async () => {
  await fetch("/dashboard/visit", { method: "DELETE" });
  sessionStorage.removeItem("visit");
  door();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && show(shown));
connect();
