// Forecasts: a chart of each series, and its numbers as a table.

import { chart, dateText, stepOf, utc } from "./chart.js";
import { counted, el, freshId, short } from "./dom.js";

export function showForecasts(forecasts) {
  const view = el("div");
  const show = (forecast) => view.replaceChildren(...chartAndTable(forecast));
  show(forecasts[0]);
  const id = freshId("series");
  const choose =
    forecasts.length > 1 &&
    el(
      "div",
      { class: "field inline" },
      el("label", { for: id }, "Series"),
      el(
        "select",
        { id, change: (event) => show(forecasts[event.target.selectedIndex]) },
        forecasts.map((forecast) => el("option", {}, forecast.input)),
      ),
    );
  const horizon = forecasts[0].timestamps.length;
  const headline = `${counted(horizon, "step")} of ${counted(forecasts.length, "series", "series")}`;
  return { headline, status: `${headline} forecast`, node: el("div", {}, choose, view) };
}

function chartAndTable({ input, timestamps, mean, quantiles, history }) {
  const times = timestamps.map(utc);
  const past = { times: history.timestamps.map(utc), values: history.values.map((value) => value ?? NaN) };
  const step = stepOf([...past.times, ...times]);
  const levels = Object.keys(quantiles);
  const heads = ["time", "mean", ...levels.map((level) => `${+(100 * level).toFixed(3)} %`)];
  const columns = [mean, ...levels.map((level) => quantiles[level])];
  const rows = times.map((time, n) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, dateText(time, step)),
      columns.map((values) => el("td", {}, short(values[n]))),
    ),
  );
  const table = el(
    "table",
    {},
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        heads.map((name) => el("th", { scope: "col" }, name)),
      ),
    ),
    el("tbody", {}, rows),
  );
  const numbers = el(
    "details",
    {},
    el("summary", {}, "All numbers"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All numbers" }, table),
  );
  return [chart(input, past, { times, quantiles, mean }), numbers];
}
