// Any result: values as terms, lists of records as tables, scores as bars, pictures and sound as such.

import { el, percent, sentence, short } from "./dom.js";
import { bars } from "./fields.js";
import { fileOf, player } from "./preview.js";

const SCORE = /(^|_)(score|share|probability|confidence)$/;
const HIDDEN = ["input", "model"];
const MOST_VALUES = 200; // of a list that are shown
const MOST_ROWS = 1000; // of a table that are shown

const isRecord = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isScore = (name, value) => SCORE.test(name) && typeof value === "number" && value >= 0 && value <= 1;

export function showRecord(result) {
  const fields = Object.entries(result).filter(([name]) => !HIDDEN.includes(name));
  const headline = headlineOf(fields);
  return { headline, status: headline, node: el("div", { class: "record-view" }, record(fields)) };
}

/** A label or text, or else the first value: "Mean 0.41". */
function headlineOf(fields) {
  const known = Object.fromEntries(fields);
  for (const name of ["label", "text"]) {
    if (typeof known[name] === "string" && known[name]) {
      return isScore("score", known.score) ? `${known[name]}, ${percent(known.score)}` : known[name];
    }
  }
  const [name, value] = fields.find(([, one]) => typeof one === "number" || typeof one === "boolean") ?? [];
  return name ? `${sentence(name)} ${format(name, value)}` : "Result";
}

function record(fields) {
  const scalars = fields.filter(([name, value]) => typeof value !== "object" && !isMedia(name, value));
  const scores = scalars.filter(([name, value]) => isScore(name, value));
  const terms = scalars.filter(([name, value]) => !isScore(name, value));
  const others = fields.filter(
    ([name, value]) => (value && typeof value === "object") || isMedia(name, value),
  );
  return [
    terms.length > 0 &&
      el(
        "dl",
        { class: "facts" },
        terms.map(([name, value]) =>
          el("div", {}, el("dt", {}, sentence(name)), el("dd", {}, format(name, value))),
        ),
      ),
    scores.length > 0 &&
      bars(
        scores.map(([name, score]) => ({ label: sentence(name), score })),
        { name: "Scores" },
      ),
    others.map(([name, value]) => el("section", {}, el("h3", {}, sentence(name)), shown(name, value))),
  ];
}

function isMedia(name, value) {
  return typeof value === "string" && value !== "" && /_(png|wav)$/.test(name);
}

function shown(name, value) {
  if (isMedia(name, value)) {
    if (name.endsWith("_wav")) return player(fileOf(value, `${name}.wav`, "audio/wav"));
    const image = el("img", { class: "embedded", alt: sentence(name) });
    image.src = URL.createObjectURL(fileOf(value, `${name}.png`, "image/png"));
    return image;
  }
  if (isRecord(value)) return record(Object.entries(value));
  if (!value.length) return el("p", { class: "hint" }, "None.");
  if (value.every(isRecord)) return table(name, value);
  if (value.some(Array.isArray)) return value.map((inner) => shown(name, [inner].flat()));
  const values = value.slice(0, MOST_VALUES).map((one) => format(name, one));
  const rest = value.length - values.length;
  return el(
    "p",
    { class: "values" },
    values.join(", "),
    rest > 0 && ` … and ${rest.toLocaleString("en")} more`,
  );
}

function table(name, records) {
  const columns = [...new Set(records.flatMap(Object.keys))];
  const rest = records.length - MOST_ROWS;
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": sentence(name) },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          columns.map((column) => el("th", { scope: "col" }, sentence(column))),
        ),
      ),
      el(
        "tbody",
        {},
        records.slice(0, MOST_ROWS).map((one) =>
          el(
            "tr",
            {},
            columns.map((column) => cell(column, one[column])),
          ),
        ),
      ),
    ),
    rest > 0 && el("p", { class: "hint" }, `${rest.toLocaleString("en")} more rows.`),
  );
}

function cell(name, value) {
  if (value === null || value === undefined) return el("td", {}, "");
  if (!isScore(name, value))
    return el("td", {}, typeof value === "object" ? JSON.stringify(value) : format(name, value));
  const bar = el(
    "span",
    { class: "bar", "aria-hidden": "true" },
    el("span", { style: { width: `${100 * value}%` } }),
  );
  return el("td", { class: "score" }, percent(value), bar);
}

function format(name, value) {
  if (typeof value === "number") return isScore(name, value) ? percent(value) : short(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value === null ? "–" : String(value);
}
