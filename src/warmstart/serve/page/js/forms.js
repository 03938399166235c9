// The form of a model, from the JSON Schema and the media types of its input.
//
// Each form is `{node, read, use, take}`: `read()` returns the request, `{file}` or `{inputs}`; `use(example)` fills in
// an example of the server; `take(file)`, where it exists, takes a file that was dropped or pasted. With `runsOnChoice`
// choosing a file starts a prediction.

import { Problem, announce, el, freshId, sentence } from "./dom.js";
import { dropsOn, textField } from "./fields.js";
import { fetchExample, fileForm } from "./file_form.js";

const MOST_TEXTS = 8; // that are compared
const LARGEST_VISIBLE = 2 ** 20; // characters that a text area shows without becoming slow

/**
 * @param model as the server lists it.
 * @param renderer of its results: some take several inputs, or have a hint for the input.
 * @param run predicts with what the form holds.
 */
export function inputForm(model, renderer, run) {
  const variants = model.input_schema.anyOf ?? [model.input_schema];
  const texts = variants.find((variant) => variant.type === "object" && variant.properties);
  const text = variants.find((variant) => variant.type === "string");
  if (text?.format?.endsWith("-base64")) return fileForm(model, renderer, run);
  if (model.accepts.includes("text/csv")) return tableForm(model);
  if (text && renderer.several) return comparisonForm(model);
  if (texts) return textsForm(model, texts, text);
  return text ? textForm(model, renderer) : jsonForm(model, variants);
}

function textForm(model, renderer) {
  const [words] = model.classes ?? [];
  const hint = renderer.hint ?? (words?.length ? `Known words: ${words.join(", ")}.` : undefined);
  const field = textField({ label: sentence(model.input_noun), rows: 4, hint });
  return {
    node: field.node,
    use: ({ input }) => {
      field.input.value = input;
    },
    read: () => ({ inputs: field.read(model.input_noun) }),
  };
}

/** A text area for each property. Where a bare string is valid, too, the required property is sent as one if no other is set. */
function textsForm(model, { properties, required = [] }, text) {
  const names = Object.keys(properties);
  const optional = names.filter((name) => !required.includes(name));
  const rows = (name) => (name === names.at(-1) ? 8 : 2);
  const fields = Object.fromEntries(
    names.map((name) => [name, textField({ label: sentence(name), rows: text ? 4 : rows(name) })]),
  );
  const nodes = (some) => some.map((name) => fields[name].node);
  const more = el(
    "details",
    { class: "more" },
    el("summary", {}, sentence(optional.join(", "))),
    nodes(optional),
  );
  return {
    node: el("div", {}, nodes(required), optional.length > 0 && more),
    use: ({ input }) => {
      const values = typeof input === "string" ? { [required[0]]: input } : input;
      for (const name of names) fields[name].input.value = values[name] ?? "";
    },
    read: () => {
      const filled = names.filter((name) => required.includes(name) || fields[name].input.value.trim());
      const inputs = Object.fromEntries(
        filled.map((name) => [name, fields[name].read(name.replaceAll("_", " "))]),
      );
      return { inputs: text && filled.length === 1 ? inputs[filled[0]] : inputs };
    },
  };
}

/** Two texts or more, which are compared with each other. */
function comparisonForm(model) {
  const noun = sentence(model.input_noun);
  const list = el("div");
  const fields = [];
  const add = () => {
    const field = textField({ label: `${noun} ${fields.length + 1}`, rows: 2 });
    fields.push(field);
    list.append(field.node);
    more.hidden = fields.length >= MOST_TEXTS;
    return field;
  };
  const more = el(
    "button",
    { type: "button", class: "quiet", click: () => add().input.focus() },
    `Add a ${model.input_noun}`,
  );
  add();
  add();
  return {
    node: el("div", { class: "texts" }, list, more),
    use: ({ input }) =>
      fields.forEach((field, index) => {
        field.input.value = [input].flat()[index] ?? "";
      }),
    read: () => {
      const texts = fields.map((field) => field.input.value).filter((text) => text.trim());
      if (texts.length >= 2) return { inputs: texts };
      (fields.find((field) => !field.input.value.trim()) ?? fields[0]).input.focus();
      throw new Problem("At least two texts are needed for a comparison. Type both, or choose an example.");
    },
  };
}

/** A table as CSV, typed, pasted, or from a file. */
function tableForm(model) {
  const noun = sentence(model.input_noun);
  const field = textField({
    label: `${noun}, as CSV`,
    rows: 8,
    placeholder: "timestamp,load\n2025-03-03 00:00,78.1\n…",
    hint: "Timestamps in one column, numbers in the others; or item_id, timestamp, target. Paste it, or drop a file.",
  });
  field.input.classList.add("code");
  let file = null;
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
    if (text.includes("\0"))
      throw new Problem(`${chosen.name} is not a text file. Save the table as CSV first.`);
    const large = text.length > LARGEST_VISIBLE;
    file = new File([text], chosen.name, { type: "text/csv" });
    field.input.value = large ? "" : text;
    note.textContent = large ? `${chosen.name} is large; it is not shown here.` : `From ${chosen.name}.`;
    announce(note.textContent);
  }
  const guarded = (chosen) =>
    take(chosen).catch((error) =>
      node.dispatchEvent(new CustomEvent("failure", { bubbles: true, detail: error })),
    );
  picker.addEventListener("change", () => {
    if (picker.files[0]) guarded(picker.files[0]);
    picker.value = ""; // the same file can be chosen again
  });
  field.input.addEventListener("input", () => {
    file = null;
    note.textContent = "";
  });
  dropsOn(node, guarded);
  return {
    node,
    take,
    use: async (example) => {
      await take(await fetchExample(example));
    },
    read: () => ({ file: file ?? new File([field.read("table")], "series.csv", { type: "text/csv" }) }),
  };
}

/** Any other input, as JSON; where it is a list of numbers, also without brackets. */
function jsonForm(model, variants) {
  const numbers = variants.some(
    ({ type, items }) =>
      type === "array" && [items?.type].flat().some((one) => /^(number|integer)$/.test(one)),
  );
  const field = textField({
    label: sentence(model.input_noun),
    rows: 6,
    hint: numbers ? "Numbers, separated by commas." : "As JSON.",
  });
  field.input.classList.add("code");
  return {
    node: field.node,
    use: ({ input }) => {
      field.input.value = JSON.stringify(input);
    },
    read: () => {
      const text = field.read(model.input_noun).trim();
      try {
        return { inputs: JSON.parse(numbers && /^[\d.+-]/.test(text) ? `[${text}]` : text) };
      } catch (error) {
        field.input.focus();
        throw new Problem(`The input cannot be read as JSON: ${error.message}`);
      }
    },
  };
}
