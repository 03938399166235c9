// Forecasting: a table of series in, a chart with bands and a table of numbers out.

import { chart, named } from "./chart.js";
import { series, utc } from "./csv.js";
import { Problem, counted, el, freshId, short } from "./dom.js";
import { dropsOn, textField } from "./fields.js";

const LARGEST_SHOWN = 2 ** 20; // characters that a text area shows without becoming slow
const HOUR = 3_600_000;

/** Made up: the load of a small town, hour by hour, with a rhythm of days and weeks. */
export function madeUp(hours, names = ["load"]) {
  const lines = [["timestamp", ...names].join(",")];
  let seed = 7;
  const random = () => {
    seed = (1_103_515_245 * seed + 12_345) % 2 ** 31;
    return seed / 2 ** 31 - 0.5;
  };
  for (let n = 0; n < hours; n += 1) {
    const [hour, day] = [n % 24, Math.floor(n / 24) % 7];
    const values = names.map((_, place) => {
      const bump = (at, wide) => Math.exp(-(((hour - at) / wide) ** 2));
      const daily = 30 * bump(8.5 + place, 2.4) + 42 * bump(19 - place, 3) - 22 * bump(3, 3.2);
      return (100 + 40 * place + daily * (day > 4 ? 0.6 : 1) + (day > 4 ? -12 : 0) + 7 * random()).toFixed(1);
    });
    lines.push(
      [new Date(Date.UTC(2025, 2, 3) + n * HOUR).toISOString().slice(0, 16).replace("T", " "), ...values].join(","),
    );
  }
  return `${lines.join("\n")}\n`;
}

const HOW = "How to read the table";
const column = (name, label) => ({
  name,
  label,
  kind: "text",
  value: "",
  hint: `${name}; empty: found out.`,
  group: HOW,
});
const LAYOUT = [
  column("timestamp", "Column of the times"),
  column("target", "Column of the values"),
  column("item", "Column of the names"),
  {
    name: "duplicates",
    label: "Of two rows at one time",
    kind: "select",
    value: "error",
    group: HOW,
    choices: [
      ["error", "say that they are there"],
      ["first", "take the first"],
      ["last", "take the last"],
      ["sum", "add them up"],
      ["mean", "take their mean"],
    ],
  },
];

function forecast(model) {
  const field = textField({
    label: "Table of series, as CSV",
    rows: 8,
    placeholder: "timestamp,load\n2025-03-03 00:00,78.1\n…",
    hint: "Timestamps in one column, numbers in the others; or item_id, timestamp, target. Paste it, or drop a file.",
  });
  field.input.classList.add("code");
  let [file, name] = [null, "series.csv"];
  const picker = el("input", {
    type: "file",
    id: freshId("file"),
    class: "unseen",
    accept: ".csv,text/csv,text/plain",
  });
  const button = el("label", { class: "button quiet", for: picker.id }, "Choose a CSV file");
  const note = el("p", { class: "hint" });
  const node = el("div", { class: "dropfield" }, field.node, picker, button, note);

  async function take(chosen) {
    const text = await chosen.text();
    if (text.includes("\0")) throw new Problem(`${chosen.name} is not a text file. Save the table as CSV first.`);
    const large = text.length > LARGEST_SHOWN;
    file = large ? { text } : null;
    name = chosen.name;
    field.input.value = large ? "" : text;
    note.textContent = large
      ? `${chosen.name} is large: it is sent as it is, and not shown here.`
      : `From ${chosen.name}.`;
  }
  const guarded = (chosen) =>
    take(chosen).catch((error) => node.dispatchEvent(new CustomEvent("trouble", { bubbles: true, detail: error })));
  picker.addEventListener("change", () => {
    if (picker.files[0]) guarded(picker.files[0]);
    picker.value = "";
  });
  field.input.addEventListener("input", () => {
    file = null;
    note.textContent = "";
  });
  dropsOn(node, guarded);
  const put = (text) => () => {
    [file, name] = [null, "series.csv"];
    note.textContent = "";
    field.input.value = text;
  };
  return {
    form: node,
    verb: "Forecast",
    show: showForecast,
    takeFile: take,
    options: [
      {
        name: "horizon",
        label: "Steps to forecast",
        kind: "number",
        min: 1,
        max: 10_000,
        step: 1,
        value: "",
        hint: "Empty: what the model was made for.",
      },
      {
        name: "freq",
        label: "Frequency",
        kind: "text",
        value: "",
        placeholder: "h",
        hint: "h, D, W, MS …; empty: found out.",
      },
      { name: "samples", label: "Futures to draw", kind: "number", min: 1, max: 1000, step: 1, value: 100 },
      { name: "seed", label: "Seed", kind: "number", min: 0, max: 2 ** 31 - 1, step: 1, value: 0 },
      ...LAYOUT,
    ],
    examples: [
      { label: "five weeks, hour by hour", use: put(madeUp(35 * 24)) },
      { label: "two series", use: put(madeUp(21 * 24, ["north", "south"])) },
    ],
    read: () => {
      const text = file ? file.text : field.read("table");
      const sent = new File([text], name, { type: "text/csv" });
      return { file: sent, text, kind: "table" };
    },
  };
}

function showForecast(answer, { text, options }) {
  const all = answer.results ?? [answer];
  const good = all.filter((one) => !one.error);
  if (!good.length) throw new Problem(all[0]?.error ?? "There is no series in this table.");
  const known = series(text, options);
  const place = el("div");
  const show = (one) => place.replaceChildren(...drawn(one, known.get(one.input)));
  show(good[0]);
  const id = freshId("series");
  const choose =
    good.length > 1 &&
    el(
      "div",
      { class: "field inline" },
      el("label", { for: id }, "Series"),
      el(
        "select",
        { id, change: (event) => show(good[event.target.selectedIndex]) },
        good.map((one) => el("option", {}, one.input)),
      ),
    );
  const bad = all.filter((one) => one.error).map((one) => el("li", {}, one.error));
  const horizon = good[0].timestamps.length;
  const headline = `${counted(horizon, "step")} of ${counted(good.length, "series", "series")}`;
  return {
    said: `${headline} forecast`,
    headline,
    node: el("div", {}, choose, place, bad.length > 0 && el("ul", { class: "problems" }, bad)),
  };
}

function drawn(one, past) {
  const future = { times: one.timestamps.map(utc), quantiles: one.quantiles, mean: one.mean };
  const step = future.times.length > 1 ? future.times[1] - future.times[0] : 0;
  const levels = Object.keys(one.quantiles);
  const table = el(
    "details",
    {},
    el("summary", {}, "All numbers"),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "All numbers" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["time", "mean", ...levels.map((level) => `${+(100 * level).toFixed(3)} %`)].map((name) =>
              el("th", { scope: "col" }, name),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          one.timestamps.map((_, n) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, named(future.times[n], step)),
              [one.mean, ...levels.map((level) => one.quantiles[level])].map((values) =>
                el("td", {}, short(values[n])),
              ),
            ),
          ),
        ),
      ),
    ),
  );
  return [chart(one.input, past ?? null, future), table];
}

export const TASKS = { forecasting: forecast };
