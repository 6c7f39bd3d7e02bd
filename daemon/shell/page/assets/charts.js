"use strict";
// The charts: three by uPlot, which redraws a few thousand points at once, and one small SVG.
const Charts = (() => {
  const heightOf = (box) => (box.id === "price-chart" && box.clientWidth > 600 ? 320 : 208);
  const all = [];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

  function axis(extra) {
    return { stroke: () => colour("--soft"), grid: { stroke: () => colour("--rule"), width: 1 },
      ticks: { show: false }, font: "11px system-ui,sans-serif", ...extra };
  }

  const times = axis({ values: (_, splits) => splits.map((at) => clock(at).slice(0, 8)), space: 70 });

  function made(id, series, axes, scales, extra) {
    const box = document.getElementById(id);
    const chart = new uPlot({
      width: box.clientWidth || 300, height: heightOf(box), series, axes, scales, cursor: { drag: { x: false, y: false } }, ...extra,
    }, series.map(() => []), box);
    all.push([chart, box]);
    return chart;
  }

  function line(label, name, unit, digits, extra) {
    return { label, stroke: () => colour(name), width: 2, points: { show: false },
      value: (_, value) => (value == null ? "–" : value.toFixed(digits) + unit), ...extra };
  }

  const timed = { label: "UTC", value: (_, at) => (at == null ? "–" : clock(at)) };

  function price() {
    return made("price-chart",
      [timed, line("mid", "--a", " ¢", 1), line("model", "--b", " %", 1, { dash: [6, 3] })],
      [times, axis({ size: 44, values: (_, splits) => splits.map((one) => one.toFixed(splits[1] - splits[0] < 1 ? 1 : 0)) })],
      { x: { time: false, range: spanned }, y: { range: (_, low, high) => (low == null ? [0, 100] : padded(low, high, 2)) } });
  }

  function profit() {
    return made("pnl-chart", [timed, line("P&L", "--a", " $", 2)],
      [times, axis({ size: 56, values: (_, splits) => splits.map((one) => one.toFixed(splits[1] - splits[0] < 1 ? 2 : 0)) })],
      { x: { time: false, range: spanned }, y: { range: (_, low, high) => (low == null ? [-1, 1] : padded(low, high, 0.5)) } });
  }

  function spanned(_, first, last) {
    if (first == null) { const now = Date.now() / 1000; return [now - 60, now]; }
    return first === last ? [first - 30, last + 30] : [first, last];
  }

  function padded(low, high, least) {
    const room = Math.max(least, (high - low) * 0.1);
    return [low - room, high + room];
  }

  function duration(power) {
    const us = 2 ** power;
    return us < 1000 ? `${us} µs` : us < 1e6 ? `${Math.round(us / 1000)} ms` : `${Math.round(us / 1e6)} s`;
  }

  function latency() {
    return made("latency-chart",
      [{ label: "at most", value: (_, at) => (at == null ? "–" : duration(at)) },
        line("times", "--a", "", 0, { fill: () => colour("--bar"), paths: uPlot.paths.bars({ size: [0.9, 60] }), width: 1 })],
      [axis({ values: (_, splits) => splits.map((at) => (Number.isInteger(at) && at >= 0 ? duration(at) : "")), incrs: [1, 2, 4, 8], space: 56 }),
        axis({ size: 56 })],
      { x: { time: false, range: (_, low, high) => [(low ?? 0) - 0.6, (high ?? 1) + 0.6] }, y: { range: (_, low, high) => [0, (high || 1) * 1.1] } });
  }

  function svg(kind, attributes, text) {
    const one = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    if (text !== undefined) one.textContent = text;
    return one;
  }

  function reliability(box, bins) {
    const side = 260, edge = 36;
    const x = (share) => edge + share * side, y = (share) => 8 + (1 - share) * side;
    const root = svg("svg", { viewBox: `0 0 ${edge + side + 20} ${side + 44}`, role: "img",
      "aria-label": "Share of markets that paid, against their score" });
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      root.append(svg("line", { class: "grid", x1: x(0), x2: x(1), y1: y(share), y2: y(share) }));
      root.append(svg("text", { x: edge - 6, y: y(share) + 4, "text-anchor": "end" }, `${share * 100}%`));
      root.append(svg("text", { x: x(share), y: side + 24, "text-anchor": "middle" }, `${share * 100}%`));
    }
    root.append(svg("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }));
    root.append(svg("text", { x: x(0.5), y: side + 40, "text-anchor": "middle" }, "score → share that paid, 95% interval"));
    const most = Math.max(...bins.map((bin) => bin.count));
    for (const bin of bins) {
      root.append(svg("line", { class: "band", x1: x(bin.score), x2: x(bin.score), y1: y(bin.low), y2: y(bin.high) }));
      const dot = svg("circle", { class: "dot", cx: x(bin.score), cy: y(bin.paid), r: 3 + 4 * Math.sqrt(bin.count / most) });
      dot.append(svg("title", {}, `${bin.count} markets, score ${(bin.score * 100).toFixed(1)}%, paid ${(bin.paid * 100).toFixed(1)}%`));
      root.append(dot);
    }
    box.replaceChildren(root);
  }

  const seen = new ResizeObserver(() => {
    for (const [chart, box] of all)
      if (box.clientWidth && chart.width !== box.clientWidth) chart.setSize({ width: box.clientWidth, height: heightOf(box) });
  });
  for (const id of ["price-chart", "pnl-chart", "latency-chart"]) seen.observe(document.getElementById(id));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all.forEach(([chart]) => chart.redraw()));
  return { price, profit, latency, reliability, duration };
})();
