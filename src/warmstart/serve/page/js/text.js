// Results of text models: classes, entities, answers, filled masks, similarities, generated text.

import { byName, ink } from "./colours.js";
import { counted, el, isolated, percent, short } from "./dom.js";
import { bars } from "./fields.js";

// Positions in results count characters; JavaScript's strings count UTF-16 units.
const characters = (text) => Array.from(text);

/** A text in which some parts are marked: `{start, end, mark(text) -> element}`, not overlapping. */
export function marked(text, parts) {
  const all = characters(text);
  const pieces = [];
  let position = 0;
  for (const { start, end, mark } of [...parts].sort((a, b) => a.start - b.start)) {
    if (start < position) continue;
    pieces.push(all.slice(position, start).join(""), mark(all.slice(start, end).join("")));
    position = end;
  }
  return [...pieces, all.slice(position).join("")];
}

/** Classes as bars, best first. */
export function showClasses({ predictions }) {
  if (!predictions.length) return { headline: "No classes", node: el("div") };
  const [best] = predictions;
  const bounded = predictions.every(({ score }) => score >= 0 && score <= 1);
  const headline = `${isolated(best.label)}, ${bounded ? percent(best.score) : short(best.score)}`;
  return { headline, node: bars(predictions) };
}

/** The text with its entities marked. */
export function showEntities({ entities }, { inputs }) {
  const shade = byName();
  const parts = entities.map(({ start, end, label, score }) => ({
    start,
    end,
    mark: (text) =>
      el(
        "mark",
        { class: "entity", style: { "--shade": shade(label) } },
        text,
        "\u00a0",
        el(
          "span",
          { class: "entity-label" },
          el("span", { class: "tag", style: { background: shade(label), color: ink(shade(label)) } }, el("bdi", {}, label)),
          el("span", { class: "entity-score" }, ` ${percent(score)}`),
        ),
      ),
  }));
  const count = entities.length;
  const names = entities.map((one) => `${one.text} (${one.label})`).join(", ");
  return {
    status: count ? `${counted(count, "entity", "entities")}: ${names}` : "No entities",
    headline: count ? counted(count, "entity", "entities") : "No entities",
    node: el("p", { class: "reading" }, marked(inputs.text ?? inputs, parts)),
  };
}

/** The context with the answer marked, and the next best answers. */
export function showAnswer(answer, { inputs }) {
  const all = [answer, ...answer.others];
  const mark = (text) => el("mark", { class: "answer" }, text);
  const node = el(
    "div",
    {},
    el(
      "p",
      { class: "reading" },
      marked(inputs.context ?? "", answer.text ? [{ start: answer.start, end: answer.end, mark }] : []),
    ),
    bars(
      all.map(({ text, score }) => ({ label: text || "no answer", score })),
      { name: "Answers, best first" },
    ),
  );
  return { headline: `${isolated(answer.text || "No answer")}, ${percent(answer.score)}`, node };
}

/** The text with each mask replaced: `choices[n]` for the n-th. */
export function filled(text, choices) {
  const parts = text.split(/\[MASK\]|<mask>/);
  return parts.flatMap((part, index) => (index ? [choices[index - 1] ?? "…", part] : [part]));
}

/** The text with its masks filled, and the candidates for each. */
export function showFilledMasks(answer, { inputs }) {
  const chosen = answer.masks.map((mask) => mask[0].label);
  const words = chosen.map((word) => el("mark", { class: "answer" }, word));
  const sentence = el("p", { class: "reading" }, filled(inputs, words));
  const several = answer.masks.length > 1;
  const lists = answer.masks.map((mask, index) =>
    el(
      "section",
      {},
      several && el("h3", {}, `Mask ${index + 1}`),
      bars(
        mask.map(({ label, score }) => ({ label: label || "(nothing)", score })),
        { name: several ? `Words for mask ${index + 1}, best first` : "Words, best first" },
      ),
    ),
  );
  return {
    headline: answer.masks.map((mask) => `${isolated(mask[0].label)}, ${percent(mask[0].score)}`).join("; "),
    node: el("div", {}, sentence, el("div", { class: several ? "columns" : "" }, lists)),
  };
}

/** A prompt and its continuation, which was not streamed. */
export function showGeneration({ text, finish }, { inputs }) {
  const node = el(
    "div",
    {},
    story(inputs, el("span", { class: "written" }, text)),
    el("p", { class: "hint" }, `${why(finish)}.`),
  );
  return { headline: "Generated text", status: text.slice(0, 300), node };
}

/** The paragraph of a prompt and the element of its continuation. */
export function story(prompt, written) {
  return el("p", { class: "reading story" }, el("span", { class: "prompt" }, prompt), written);
}

const REASONS = {
  length: "the token limit was reached",
  stop: "the model ended the text, or a stop string occurred",
  end: "the model ended the text",
};

/** Why a text ends, as a sentence. */
export function why(finish) {
  return `Finished: ${REASONS[finish] ?? finish ?? "the text ended"}`;
}

/** The cosine of the angle between two vectors, -1 to 1. */
export function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, value, index) => sum + value * y[index], 0);
  return dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-12);
}

/** How similar each pair of texts is. */
export function showSimilarities(answers, { inputs }) {
  const pairs = [];
  answers.forEach((one, i) =>
    answers
      .slice(i + 1)
      .forEach((other, j) => pairs.push({ i, j: i + 1 + j, value: cosine(one.vector, other.vector) })),
  );
  pairs.sort((a, b) => b.value - a.value);
  const note =
    `Cosine similarity of the vectors, of ${answers[0].vector.length} numbers each: ` +
    "1 is the same direction, 0 is unrelated.";
  const rows = pairs.map(({ i, j, value }) =>
    el(
      "li",
      {},
      el(
        "span",
        { class: "pair" },
        el("q", {}, inputs[i]),
        el("span", { class: "note" }, " and "),
        el("q", {}, inputs[j]),
      ),
      el("span", { class: "bar-value" }, value.toFixed(3)),
      el(
        "span",
        { class: "bar", "aria-hidden": "true" },
        el("span", { style: { width: `${100 * Math.max(value, 0)}%` } }),
      ),
    ),
  );
  const [best] = pairs;
  return {
    headline:
      pairs.length === 1
        ? `Similarity ${best.value.toFixed(3)}`
        : `Most similar: texts ${best.i + 1} and ${best.j + 1}, ${best.value.toFixed(3)}`,
    node: el(
      "div",
      {},
      el("ol", { class: "bars alike", "aria-label": "Pairs, most similar first" }, rows),
      el("p", { class: "hint" }, note),
    ),
  };
}
