// The facts of a model's card.

import { bytes, el, percent } from "./dom.js";

const ENGINES = { litert: "LiteRT", openvino: "OpenVINO", keras: "Keras" };
const METRICS = {
  top1: "top-1",
  top5: "top-5",
  mean_wQL: "mean weighted quantile loss",
  wer: "word error rate",
};

/** Short facts as a list; the published metrics and the paper in a closed section. */
export function facts(model) {
  const engine = model.engine && (ENGINES[model.engine] ?? model.engine);
  const rows = [
    ["Task", model.task_title],
    ["Licence", model.licence || "unknown"],
    ["Size", model.bytes && bytes(model.bytes)],
    ["Parameters", model.parameters && many(model.parameters)],
    ["Classes", model.labels > 1 && model.labels.toLocaleString("en")],
    ["Context", model.context && `${model.context.toLocaleString("en")} tokens`],
    [
      "Engine",
      engine && (model.precision && model.precision !== "float32" ? `${engine}, ${model.precision}` : engine),
    ],
  ];
  const terms = el(
    "dl",
    { class: "facts" },
    rows
      .filter(([, value]) => value)
      .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
  const narrow = matchMedia("(max-width: 52rem)").matches; // where the input would be below the window
  const folded = narrow && el("details", { class: "more" }, el("summary", {}, "About this model"), terms);
  return [folded || terms, more(model)];
}

function more({ metrics = [], paper }) {
  if (!metrics.length && !paper) return null;
  const table = el(
    "table",
    {},
    el(
      "tbody",
      {},
      metrics.map(({ name, value, dataset }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, METRICS[name] ?? name.replaceAll("_", " ")),
          el("td", {}, metric(name, value)),
          el("td", {}, dataset),
        ),
      ),
    ),
  );
  return el(
    "details",
    { class: "more" },
    el("summary", {}, "Published metrics and paper"),
    metrics.length > 0 && table,
    paper && el("p", {}, paper),
  );
}

const FRACTIONS = /^(top\d|accuracy|f1|exact|.*_top\d|map.*|ap.*|miou|.*iou.*|pixel.*)$/i;

function metric(name, value) {
  return FRACTIONS.test(name) && value <= 1
    ? percent(value)
    : value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

/** "271 thousand", "25.6 million" */
export function many(count) {
  if (count < 1e3) return String(count);
  const [name, size] =
    count < 999_500 ? ["thousand", 1e3] : count < 999_500_000 ? ["million", 1e6] : ["billion", 1e9];
  const value = count / size;
  return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)} ${name}`;
}
