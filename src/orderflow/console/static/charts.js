// Draws the charts of the flow, and draws them anew when the page has refreshed itself.
"use strict";

const WIDE_S = 900;
const HIGH_PX = 150;
const charts = new Map();

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(undefined, { timeStyle: "short" });
const measure = (value) => (value == null ? "–" : String(value >= 10 ? Math.round(value) : Number(value.toPrecision(2))));

// The legend is text of the page, and has the colours: the style sheet alone knows them.
function legend(place, name) {
  return place.closest("figure").querySelector(`.m-${name}`);
}

function describe(place, names) {
  const style = getComputedStyle(place);
  const axis = { stroke: style.color, grid: { stroke: style.borderColor, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width: place.clientWidth,
    height: HIGH_PX,
    padding: [null, 32, null, null], // half of the last label of the time axis
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { range: (_chart, _from, to) => [to - WIDE_S, to] },
      y: { range: (_chart, _from, to) => [0, to > 0 ? to * 1.15 : 1] },
    },
    axes: [
      { ...axis, size: 28, space: 80, values: (_chart, times) => times.map(clock) },
      { ...axis, size: 44, values: (_chart, values) => values.map(measure) },
    ],
    series: [{}, ...names.map((name, index) => ({
      stroke: getComputedStyle(legend(place, name)).backgroundColor,
      width: 2,
      dash: index ? [6, 4 + 2 * index] : undefined,
      points: { show: false },
    }))],
    hooks: { setCursor: [(chart) => tell(chart, place, names)] },
  };
}

// Writes into the legend what the cursor points at.
function tell(chart, place, names) {
  const { idx } = chart.cursor;
  if (idx == null) return;
  names.forEach((name, index) => {
    legend(place, name).closest("li").querySelector("[data-value]").textContent = measure(chart.data[index + 1][idx]);
  });
}

function draw() {
  const told = document.getElementById("series");
  if (!told) return;
  const series = JSON.parse(told.dataset.series);
  for (const place of document.querySelectorAll("[data-chart]")) {
    const names = place.dataset.chart.split(" ");
    const data = [series.at, ...names.map((name) => series[name])];
    const chart = charts.get(place);
    if (chart) chart.setData(data);
    else charts.set(place, new uPlot(describe(place, names), data, place));
  }
}

function drawAnew() {
  for (const chart of charts.values()) chart.destroy();
  charts.clear();
  draw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
addEventListener("resize", () => {
  for (const [place, chart] of charts) chart.setSize({ width: place.clientWidth, height: HIGH_PX });
});
document.addEventListener("htmx:after:swap", draw);
draw();
