// Fields of forms: texts, and files to drop; and the bars of results.

import { Problem, announce, bytes, el, freshId, percent, short } from "./dom.js";

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
  function read(noun = label.toLowerCase()) {
    if (input.value.trim()) return input.value;
    input.focus();
    throw new Problem(`There is no ${noun} yet. Type one, or choose an example.`);
  }
  return { node, input, read };
}

/**
 * A field to drop one file on, to choose it, or to paste it.
 *
 * @param refusal the message for a file of the wrong type; null where it is right.
 * @param preview makes the element that shows a file.
 * @param chosen called with the file.
 */
export function fileField({ label, hint, accept, refusal, preview, chosen }) {
  const id = freshId("file");
  const input = el("input", { id, type: "file", class: "unseen", accept, "aria-describedby": `${id}-hint` });
  const picked = el("div", { class: "preview" });
  const zone = el(
    "label",
    { class: "drop", for: id },
    el("span", { class: "drop-label" }, label),
    el("span", { class: "hint", id: `${id}-hint` }, hint),
  );
  const node = el("div", { class: "field dropfield" }, input, zone, picked);
  const field = { node, input, file: null, take, read };

  function take(file, origin = "chosen") {
    const message = refusal?.(file);
    if (message) throw new Problem(message);
    field.file = file;
    picked.replaceChildren(
      el(
        "div",
        { class: "picked" },
        preview?.(file),
        el("p", { class: "filename" }, el("span", { class: "name" }, file.name), ` ${bytes(file.size)}`),
      ),
    );
    node.classList.add("full");
    announce(`${file.name}, ${bytes(file.size)}, ${origin}.`);
    chosen?.(file);
  }

  function read(noun) {
    if (field.file) return field.file;
    input.focus();
    throw new Problem(`There is no ${noun} yet. Choose a file, or drop it here.`);
  }

  const guarded = (file) => {
    try {
      take(file);
    } catch (error) {
      node.dispatchEvent(new CustomEvent("failure", { bubbles: true, detail: error }));
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

/** Scores as bars, in order: `{label, score, note}`; those outside 0 to 1 are plain numbers, without a bar. */
export function bars(rows, { name = "Classes, best first" } = {}) {
  const bounded = rows.every(({ score }) => score >= 0 && score <= 1);
  return el(
    "ol",
    { class: "bars", "aria-label": name },
    rows.map(({ label, score, note }, index) =>
      el(
        "li",
        { class: index ? null : "best" },
        el("bdi", { class: "bar-label" }, label, note && el("span", { class: "note" }, ` ${note}`)),
        el("span", { class: "bar-value" }, bounded ? percent(score) : short(score)),
        bounded &&
          el(
            "span",
            { class: "bar", "aria-hidden": "true" },
            el("span", { style: { width: `${100 * score}%` } }),
          ),
      ),
    ),
  );
}
