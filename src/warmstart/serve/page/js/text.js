// Texts in: classes, entities, answers, filled masks, and how alike texts are.

import { byName, ink } from "./colours.js";
import { Problem, counted, el, percent, short } from "./dom.js";
import { bars, textField } from "./fields.js";

// Places that the server tells count characters; JavaScript's strings count UTF-16 units.
const characters = (text) => Array.from(text);

/** A text in which some parts are marked: `{start, end, mark(text) -> element}`, not overlapping. */
export function marked(text, parts) {
  const all = characters(text);
  const pieces = [];
  let place = 0;
  for (const { start, end, mark } of [...parts].sort((a, b) => a.start - b.start)) {
    if (start < place) continue;
    pieces.push(all.slice(place, start).join(""), mark(all.slice(start, end).join("")));
    place = end;
  }
  return [...pieces, all.slice(place).join("")];
}

function single(model, { label, hint, rows, examples, show, options = [], verb, name = "text" }) {
  const field = textField({ label, hint, rows });
  return {
    form: field.node,
    options,
    show,
    verb,
    examples: examples.map((text) => ({
      label: text,
      use: () => {
        field.input.value = text;
      },
    })),
    read: () => ({ inputs: field.read(name), kind: "text" }),
  };
}

function classify(model) {
  return single(model, {
    label: "Text",
    rows: 4,
    verb: "Classify",
    show: showClasses,
    options: [{ name: "top_k", label: "Classes to show", kind: "number", min: 1, max: 1000, step: 1, value: 5 }],
    examples: [
      "A warm, funny and honest film, beautifully played.",
      "Two hours that I will not get back.",
      "It has its moments, but not many of them.",
    ],
  });
}

function showClasses({ predictions }) {
  const [best] = predictions;
  const format = (score, shares) => (shares ? percent(score) : short(score));
  const shares = predictions.every(({ score }) => score >= 0 && score <= 1);
  return { said: `${best.label}, ${format(best.score, shares)}`, node: bars(predictions, { format }) };
}

function entities(model) {
  return single(model, {
    label: "Text",
    rows: 5,
    verb: "Find entities",
    show: showEntities,
    options: [
      {
        name: "aggregation",
        label: "How tokens become entities",
        kind: "select",
        value: "simple",
        choices: [
          ["simple", "neighbours together"],
          ["first", "whole words, by their first token"],
          ["max", "whole words, by their surest token"],
          ["none", "every token by itself"],
        ],
      },
    ],
    examples: [
      "Ada Lovelace met Charles Babbage in London in 1833.",
      "Marie Curie moved from Warsaw to Paris and taught at the Sorbonne.",
    ],
  });
}

function showEntities(answer, { inputs }) {
  const shade = byName();
  const parts = answer.entities.map(({ start, end, label, score }) => ({
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
          { class: "entity-kind" },
          el("span", { class: "tag", style: { background: shade(label), color: ink(shade(label)) } }, label),
          el("span", { class: "entity-score" }, ` ${percent(score)}`),
        ),
      ),
  }));
  const count = answer.entities.length;
  const names = answer.entities.map((one) => `${one.text} (${one.label})`).join(", ");
  return {
    said: count ? `${counted(count, "entity", "entities")}: ${names}` : "No entities found",
    headline: count ? counted(count, "entity", "entities") : "No entities found",
    node: el("p", { class: "reading" }, marked(inputs, parts)),
  };
}

function answers(model) {
  const question = textField({ label: "Question", rows: 2 });
  const context = textField({ label: "Text that holds the answer", rows: 8 });
  const examples = [
    [
      "When did the first ship pass?",
      "The Suez Canal in Egypt joins the Mediterranean to the Red Sea. " +
        "It was dug in ten years, and the first ship passed through it on 17 November 1869.",
    ],
    [
      "What does a compiler do?",
      "A compiler translates the source of a program into the instructions of a machine. " +
        "An interpreter, in contrast, carries the program out line by line.",
    ],
  ];
  return {
    form: el("div", {}, question.node, context.node),
    verb: "Answer",
    show: showAnswer,
    options: [
      { name: "top_k", label: "Answers to show", kind: "number", min: 1, max: 20, step: 1, value: 3, always: true },
      { name: "no_answer", label: "There may be no answer", kind: "switch", value: false },
    ],
    examples: examples.map(([asked, text]) => ({
      label: asked,
      use: () => {
        question.input.value = asked;
        context.input.value = text;
      },
    })),
    read: () => ({
      inputs: { question: question.read("question"), context: context.read("text that holds the answer") },
      kind: "pair",
    }),
  };
}

function showAnswer(answer, { inputs: { context } }) {
  const all = [answer, ...answer.others];
  const mark = (text) => el("mark", { class: "answer" }, text);
  const node = el(
    "div",
    {},
    el("p", { class: "reading" }, marked(context, answer.text ? [{ start: answer.start, end: answer.end, mark }] : [])),
    bars(
      all.map(({ text, score }) => ({ label: text || "no answer", score })),
      { format: percent, name: "Answers, best first" },
    ),
  );
  return { said: `${answer.text || "No answer"}, ${percent(answer.score)}`, node };
}

function masks(model) {
  return single(model, {
    label: "Text with [MASK] where a word is missing",
    rows: 3,
    verb: "Fill in",
    show: showMasks,
    options: [{ name: "top_k", label: "Words to show", kind: "number", min: 1, max: 100, step: 1, value: 5 }],
    examples: ["Paris is the [MASK] of France.", "The [MASK] barked at the [MASK]."],
  });
}

/** The text with each mask replaced: `choices[n]` for the n-th. */
export function filled(text, choices) {
  const parts = text.split(/\[MASK\]|<mask>/);
  return parts.flatMap((part, place) => (place ? [choices[place - 1] ?? "…", part] : [part]));
}

function showMasks(answer, { inputs }) {
  const chosen = answer.masks.map((mask) => mask[0].label);
  const sentence = el("p", { class: "reading" });
  const write = () =>
    sentence.replaceChildren(
      ...filled(
        inputs,
        chosen.map((word) => el("mark", { class: "answer" }, word)),
      ),
    );
  write();
  const several = answer.masks.length > 1;
  const lists = answer.masks.map((mask, place) =>
    el(
      "section",
      {},
      several && el("h3", {}, `Mask ${place + 1}`),
      bars(
        mask.map(({ label, score }) => ({ label: label || "(nothing)", score })),
        { format: percent, name: several ? `Words for mask ${place + 1}, best first` : "Words, best first" },
      ),
    ),
  );
  return {
    said: answer.masks.map((mask) => `${mask[0].label}, ${percent(mask[0].score)}`).join("; "),
    node: el("div", {}, sentence, el("div", { class: several ? "columns" : "" }, lists)),
  };
}

function embeddings(model) {
  const fields = el("div");
  const made = [];
  const add = () => {
    const field = textField({ label: `Text ${made.length + 1}`, rows: 2 });
    made.push(field);
    fields.append(field.node);
    return field;
  };
  add();
  add();
  const more = el(
    "button",
    {
      type: "button",
      class: "quiet",
      click: () => {
        add().input.focus();
        more.hidden = made.length >= 8;
      },
    },
    "Add a text",
  );
  const examples = [
    ["alike", ["A cat sat on the mat.", "There is a cat on the rug."]],
    ["not alike", ["A cat sat on the mat.", "Interest rates rose again in spring."]],
  ];
  return {
    form: el("div", { class: "texts" }, fields, more),
    options: [],
    verb: "Compare",
    show: showEmbeddings,
    examples: examples.map(([label, texts]) => ({
      label: `${label}: ${texts[0]} / ${texts[1]}`,
      use: () =>
        texts.forEach((text, place) => {
          made[place].input.value = text;
        }),
    })),
    read: () => {
      const texts = made.map((field) => field.input.value).filter((text) => text.trim());
      if (texts.length < 2) {
        (made.find((field) => !field.input.value.trim()) ?? made[0]).input.focus();
        throw new Problem("Two texts are needed to compare them. Type both, or take an example.");
      }
      return { inputs: texts, kind: "texts" };
    },
  };
}

/** The cosine of the angle between two vectors, -1 to 1. */
export function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, value, place) => sum + value * y[place], 0);
  return dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-12);
}

function showEmbeddings({ results: answers }, { inputs }) {
  const broken = answers.find((one) => one.error);
  if (broken) throw new Problem(broken.error);
  const pairs = [];
  answers.forEach((one, i) =>
    answers
      .slice(i + 1)
      .forEach((other, j) => pairs.push({ i, j: i + 1 + j, value: cosine(one.vector, other.vector) })),
  );
  pairs.sort((a, b) => b.value - a.value);
  const numbers =
    `Each text became ${answers[0].vector.length} numbers; this is the cosine of the angle between them: ` +
    "1 means the same direction, 0 nothing in common.";
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
    said:
      pairs.length === 1
        ? `Similarity ${best.value.toFixed(3)}`
        : `Most alike: texts ${best.i + 1} and ${best.j + 1}, ${best.value.toFixed(3)}`,
    node: el(
      "div",
      {},
      el("ol", { class: "bars alike", "aria-label": "Pairs, most alike first" }, rows),
      el("p", { class: "hint" }, numbers),
    ),
  };
}

export const TASKS = {
  "text-classification": classify,
  "token-classification": entities,
  "question-answering": answers,
  "fill-mask": masks,
  "text-embedding": embeddings,
};
