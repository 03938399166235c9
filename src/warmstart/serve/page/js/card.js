// What the server says of a model: its task in words, and the facts of its card.

import { bytes, el, percent } from "./dom.js";

export const WORDS = {
  "image-classification": ["Image classification", "Says what is in a picture."],
  "object-detection": ["Object detection", "Finds things in a picture, and where they are."],
  "image-segmentation": ["Image segmentation", "Says what each pixel of a picture belongs to."],
  "text-classification": ["Text classification", "Says of what kind a text is."],
  "token-classification": ["Entities in text", "Finds names of people, places and the like in a text."],
  "question-answering": ["Question answering", "Finds the answer to a question in a text."],
  "fill-mask": ["Missing words", "Guesses the words that were left out of a text."],
  "text-embedding": ["Text similarity", "Tells how alike texts are in what they mean."],
  "text-generation": ["Text generation", "Goes on writing where you stop."],
  "speech-recognition": ["Speech recognition", "Writes down what is said."],
  "audio-generation": ["Sound generation", "Makes sound, sample by sample."],
  forecasting: ["Forecasting", "Says how a series of numbers may go on."],
};

const ENGINES = { litert: "LiteRT", openvino: "OpenVINO", keras: "Keras" };
const METRICS = { top1: "top-1", top5: "top-5", mean_wQL: "mean weighted quantile loss", wer: "word error rate" };

/** The facts of a model's card: the short ones as terms, its published figures and its paper to be opened. */
export function facts(model) {
  const engine = model.engine && (ENGINES[model.engine] ?? model.engine);
  const rows = [
    ["Task", WORDS[model.task]?.[0] ?? model.task],
    ["Licence", model.licence || "not told"],
    ["Size", model.bytes && bytes(model.bytes)],
    ["Parameters", model.parameters && many(model.parameters)],
    ["Classes", model.labels > 1 && model.labels.toLocaleString("en")],
    ["Engine", engine && (model.precision && model.precision !== "float32" ? `${engine}, ${model.precision}` : engine)],
  ];
  const terms = el(
    "dl",
    { class: "facts" },
    rows.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
  return [terms, more(model)];
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
          el("td", {}, figure(name, value)),
          el("td", {}, dataset),
        ),
      ),
    ),
  );
  return el(
    "details",
    { class: "more" },
    el("summary", {}, "Published figures and paper"),
    metrics.length > 0 && table,
    paper && el("p", {}, paper),
  );
}

const SHARES = /^(top\d|accuracy|f1|exact|.*_top\d|map.*|ap.*|miou|.*iou.*|pixel.*)$/i;

function figure(name, value) {
  return SHARES.test(name) && value <= 1 ? percent(value) : value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

/** "271 thousand", "25.6 million" */
export function many(count) {
  if (count < 1e3) return String(count);
  const [name, size] = count < 999_500 ? ["thousand", 1e3] : count < 999_500_000 ? ["million", 1e6] : ["billion", 1e9];
  const value = count / size;
  return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)} ${name}`;
}
