// Charts by Plotly, in the colours of the page. Each has its figures in a table beside it.
"use strict";

const charts = (() => {
  const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
  const SERIES = ["--one", "--two", "--three", "--four", "--rest"];
  const SETTINGS = { displayModeBar: false, responsive: true, showTips: false };
  let loading = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The library is large; it comes after the figures.
  function library() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = "/dashboard/files/plotly.js?" + document.querySelector("script[src]").src.split("?")[1];
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("the library that draws did not come"));
      document.head.append(script);
    });
    return loading;
  }

  function layout(more) {
    const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--faint"), linecolor: colour("--line"), automargin: true, fixedrange: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, showlegend: false,
      font: { family: FONT, size: 12, color: colour("--faint") },
      margin: { l: 8, r: 8, t: 8, b: 8 }, bargap: 0.25,
      hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink"), family: FONT } },
      ...more,
      xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
    };
  }

  async function draw(id, traces, more) {
    const Plotly = await library();
    await Plotly.react(id, traces, layout(more), SETTINGS);
  }

  // Net savings of each stretch as a bar with its interval; losses hang below zero.
  function time(id, points, stepS) {
    const net = points.map((p) => p.net_nanos / 1e9);
    const reach = (sign) => points.map((p, n) =>
      p.net_low_nanos === null ? 0 : Math.max(0, sign * ((sign > 0 ? p.net_high_nanos : p.net_low_nanos) / 1e9 - net[n])));
    const trace = {
      type: "bar", x: points.map((p) => new Date(p.start)), y: net, xperiodalignment: "start",
      width: points.length > 1 ? stepS * 800 : undefined, offset: 0,
      marker: { color: net.map((v) => colour(v < 0 ? "--loss" : "--saved")) },
      error_y: { type: "data", symmetric: false, array: reach(1), arrayminus: reach(-1), color: colour("--ink"), thickness: 1, width: 2 },
      hovertemplate: "%{x}<br>net %{y:$,.9~f}<extra></extra>",
    };
    return draw(id, [trace], { yaxis: { tickformat: "$,.6~f" } });
  }

  // What was spent on each group, and beside it what was saved.
  function groups(id, rows) {
    const names = rows.map((r) => r.label);
    const bar = (name, values, fill) => ({
      type: "bar", orientation: "h", name, y: names, x: values, marker: { color: fill },
      hovertemplate: `%{y}<br>${name} %{x:$,.9~f}<extra></extra>`,
    });
    document.getElementById(id).style.height = `${Math.max(7, 3 + 2.2 * rows.length)}rem`;
    return draw(id, [
      bar("spent", rows.map((r) => r.spent_nanos / 1e9), colour("--one")),
      bar("net savings", rows.map((r) => r.net_nanos / 1e9), rows.map((r) => colour(r.net_nanos < 0 ? "--loss" : "--saved"))),
    ], { barmode: "group", showlegend: true, legend: { orientation: "h", y: -0.1, yanchor: "top", traceorder: "normal" }, yaxis: { autorange: "reversed" }, xaxis: { tickformat: "$,.6~f" } });
  }

  // Calls by complexity, stacked by the models that answered.
  function mix(id, rows) {
    const sums = new Map();
    for (const row of rows) for (const [m, n] of Object.entries(row.models)) sums.set(m, (sums.get(m) ?? 0) + n);
    const ranked = [...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([m]) => m);
    const own = ranked.slice(0, SERIES.length - 1);
    const count = (row, names) => names.reduce((sum, m) => sum + (row.models[m] ?? 0), 0);
    const trace = (name, names, n) => ({
      type: "bar", orientation: "h", name, y: rows.map((r) => r.bucket), x: rows.map((r) => count(r, names)),
      marker: { color: colour(SERIES[n]) }, hovertemplate: `%{y}<br>${name}: %{x} calls<extra></extra>`,
    });
    const traces = own.map((m, n) => trace(m, [m], n));
    if (ranked.length > own.length) traces.push(trace("others", ranked.slice(own.length), SERIES.length - 1));
    document.getElementById(id).style.height = `${Math.max(8, 4 + 2 * rows.length)}rem`;
    return draw(id, traces, { barmode: "stack", showlegend: true, legend: { orientation: "h", y: -0.1, yanchor: "top", traceorder: "normal" }, yaxis: { autorange: "reversed" } });
  }

  return { time, groups, mix };
})();
