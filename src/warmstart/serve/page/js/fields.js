// Form parts that tasks share: texts, files to drop, and options.

import { Problem, bytes, el, freshId, say } from "./dom.js";

/** A labelled text area; `node` goes into the form, `input` holds the text. */
export function textField({ label, hint, rows = 4, value = "", placeholder }) {
  const id = freshId("text");
  const input = el("textarea", {
    id,
    rows,
    value,
    placeholder,
    spellcheck: "false",
    "aria-describedby": hint ? `${id}-hint` : null,
  });
  const node = el(
    "div",
    { class: "field" },
    el("label", { for: id }, label),
    input,
    hint && el("p", { class: "hint", id: `${id}-hint` }, hint),
  );
  return { node, input, read: (what = label.toLowerCase()) => wanted(input, what) };
}

function wanted(input, what) {
  if (!input.value.trim()) {
    input.focus();
    throw new Problem(`There is no ${what} yet. Type some, or take an example.`);
  }
  return input.value;
}

/**
 * A place to drop one file, to choose it, or to paste it.
 *
 * @param accepts whether a file's type or name is right, else the words that say what is wanted.
 * @param preview makes the element that shows a file.
 * @param chosen called with the file.
 */
export function fileField({ label, hint, accept, accepts, preview, chosen }) {
  const id = freshId("file");
  const input = el("input", { id, type: "file", class: "unseen", accept, "aria-describedby": `${id}-hint` });
  const shown = el("div", { class: "preview" });
  const zone = el(
    "label",
    { class: "drop", for: id },
    el("span", { class: "drop-label" }, label),
    el("span", { class: "hint", id: `${id}-hint` }, hint),
  );
  const node = el("div", { class: "field dropfield" }, input, zone, shown);
  const field = { node, input, file: null, take, read };

  function take(file, origin = "chosen") {
    const wrong = accepts?.(file);
    if (wrong) throw new Problem(wrong);
    field.file = file;
    shown.replaceChildren(
      el(
        "div",
        { class: "picked" },
        preview(file),
        el("p", { class: "filename" }, el("span", { class: "name" }, file.name), ` ${bytes(file.size)}`),
      ),
    );
    node.classList.add("full");
    say(`${file.name}, ${bytes(file.size)}, ${origin}.`);
    chosen?.(file);
  }

  function read(what) {
    if (field.file) return field.file;
    input.focus();
    throw new Problem(`There is no ${what} yet. Choose one, drop it here, or take an example.`);
  }

  const guarded = (file) => {
    try {
      take(file);
    } catch (error) {
      node.dispatchEvent(new CustomEvent("trouble", { bubbles: true, detail: error }));
    }
  };
  input.addEventListener("change", () => {
    if (input.files[0]) guarded(input.files[0]);
    input.value = ""; // the same file can be chosen again
  });
  dropsOn(node, guarded);
  return field;
}

/** Let files be dropped on an element. */
export function dropsOn(node, take) {
  node.addEventListener("dragover", (event) => {
    event.preventDefault();
    node.classList.add("over");
  });
  node.addEventListener("dragleave", (event) => {
    if (!node.contains(event.relatedTarget)) node.classList.remove("over");
  });
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}

/**
 * Options of a task as form fields.
 *
 * Each is `{name, label, kind: "number" | "text" | "select" | "switch", value, hint, min, max, step, choices, group}`;
 * `value` is what stands there at first. Only what differs from `value` is sent, unless `always` is set. Those with a
 * `group` stand behind its name, which has to be opened.
 */
export function optionFields(specs) {
  const fields = specs.map((spec) => ({ spec, ...optionField(spec) }));
  const grid = (group) => {
    const nodes = fields.filter(({ spec }) => spec.group === group).map((field) => field.node);
    return el("div", { class: "option-grid" }, nodes);
  };
  const groups = [...new Set(specs.map((spec) => spec.group).filter(Boolean))];
  const closed = groups.map((name) => el("details", { class: "more" }, el("summary", {}, name), grid(name)));
  const node = fields.length
    ? el("fieldset", { class: "options" }, el("legend", {}, "Options"), grid(undefined), closed)
    : null;
  return { node, read: () => readOptions(fields) };
}

function optionField(spec) {
  const id = freshId("option");
  const described = spec.hint ? `${id}-hint` : null;
  const common = { id, name: spec.name, "aria-describedby": described };
  let input;
  if (spec.kind === "select") {
    input = el(
      "select",
      common,
      spec.choices.map(([value, label]) => el("option", { value }, label)),
    );
    input.value = spec.value;
  } else if (spec.kind === "switch") {
    input = el("input", { ...common, type: "checkbox", checked: spec.value });
  } else {
    const number = spec.kind === "number";
    input = el("input", {
      ...common,
      type: number ? "number" : "text",
      min: spec.min,
      max: spec.max,
      step: spec.step ?? (number ? "any" : null),
      value: spec.value ?? "",
      inputmode: number ? "decimal" : null,
      autocomplete: "off",
      placeholder: spec.placeholder,
    });
  }
  const label = el("label", { for: id }, spec.label);
  const hint = spec.hint && el("p", { class: "hint", id: described }, spec.hint);
  const parts = spec.kind === "switch" ? [el("div", { class: "switch" }, input, label), hint] : [label, input, hint];
  return { input, node: el("div", { class: spec.kind === "select" ? "option wide" : "option" }, parts) };
}

function readOptions(fields) {
  const options = {};
  for (const { spec, input } of fields) {
    if (!input.checkValidity()) {
      input.closest("details")?.setAttribute("open", "");
      input.focus();
      throw new Problem(`${spec.label}: ${input.validationMessage}`);
    }
    const raw = spec.kind === "switch" ? input.checked : input.value.trim();
    if (raw === "" || (String(raw) === String(spec.value) && !spec.always)) continue;
    options[spec.name] = spec.kind === "number" ? Number(raw) : raw;
  }
  return options;
}

/** Shares as bars, best first: `{label, score, note}`; scores outside 0 to 1 are plain numbers, without a bar. */
export function bars(rows, { format, name = "Classes, best first" } = {}) {
  const shares = rows.every(({ score }) => score >= 0 && score <= 1);
  return el(
    "ol",
    { class: "bars", "aria-label": name },
    rows.map(({ label, score, note }, place) =>
      el(
        "li",
        { class: place ? null : "best" },
        el("span", { class: "bar-label" }, label, note && el("span", { class: "note" }, ` ${note}`)),
        el("span", { class: "bar-value" }, format(score, shares)),
        shares &&
          el("span", { class: "bar", "aria-hidden": "true" }, el("span", { style: { width: `${100 * score}%` } })),
      ),
    ),
  );
}
