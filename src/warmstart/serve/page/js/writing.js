// Text generation: the text appears while it is written, and can be stopped.

import { complete } from "./api.js";
import { counted, el, say } from "./dom.js";
import { textField } from "./fields.js";

const WHY = {
  length: "as many tokens as asked",
  stop: "it met the text that stops it",
  end: "the model ended its text",
};

function write(model) {
  const field = textField({ label: "Beginning of the text", rows: 5, hint: "The model goes on from here." });
  return {
    form: field.node,
    verb: "Write",
    stream,
    options: [
      {
        name: "temperature",
        label: "Temperature",
        kind: "number",
        min: 0,
        max: 2,
        step: "any",
        value: 0.8,
        always: true,
        hint: "0: always the likeliest. 1: as the model says.",
      },
      {
        name: "max_tokens",
        label: "Tokens to write",
        kind: "number",
        min: 1,
        max: Math.min(model.context ?? 2048, 2048),
        step: 1,
        value: 120,
        always: true,
        hint:
          model.context && `The model sees ${model.context.toLocaleString("en")} tokens at once, beginning included.`,
      },
      {
        name: "seed",
        label: "Seed",
        kind: "number",
        min: 0,
        max: 2 ** 31 - 1,
        step: 1,
        value: "",
        hint: "The same seed writes the same text.",
      },
      {
        name: "top_p",
        label: "Top p",
        kind: "number",
        min: 0,
        max: 1,
        step: "any",
        value: "",
        hint: "Draw among tokens of this probability together.",
      },
    ],
    examples: ["ROMEO:\n", "KING RICHARD III:\nNow is the", "What light through yonder"].map((text) => ({
      label: text.replace("\n", " "),
      use: () => {
        field.input.value = text;
      },
    })),
    read: () => ({ inputs: field.read("beginning"), kind: "prompt" }),
  };
}

/** Write into `place` until the end, or until `signal` says stop. */
async function stream(model, { inputs }, options, { place, signal, progress }) {
  const written = el("span", { class: "written" });
  const note = el("p", { class: "hint" });
  const text = el(
    "p",
    { class: "reading story", "aria-busy": "true" },
    el("span", { class: "prompt" }, inputs),
    written,
  );
  place.replaceChildren(text, note);
  const began = performance.now();
  let finish = null;
  say("Writing.");
  try {
    for await (const piece of complete({ model: model.id, prompt: inputs, ...options }, signal)) {
      if (piece.text) {
        written.append(piece.text);
        progress("Writing …");
      }
      finish = piece.finish ?? finish;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    finish = "stopped";
  } finally {
    text.removeAttribute("aria-busy");
  }
  const seconds = (performance.now() - began) / 1000;
  const why = finish === "stopped" ? "Stopped" : `Finished: ${WHY[finish] ?? finish ?? "the text ended"}`;
  const length = Array.from(written.textContent).length;
  note.textContent = `${why}. ${counted(length, "character")} in ${seconds.toFixed(1)} s.`;
  return { said: `${why}. ${written.textContent.slice(0, 300)}` };
}

export const TASKS = { "text-generation": write };
