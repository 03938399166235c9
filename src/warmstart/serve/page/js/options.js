// Fields for the options of a model, made from their JSON Schemas.

import { Problem, el, freshId, sentence } from "./dom.js";

const FEW = 6; // options that are all visible
const FIRST = 4; // of more, those that are visible at once
const LONGEST_LABEL = 40; // characters
const LONGEST_HINT = 90; // characters of a hint in one column

/**
 * Label and hint of an option, from its description: "Number of sample paths per series, for models that sample." has the
 * label "Number of sample paths per series". Where the first clause is too long for a label, it is the name of the option.
 */
export function labelAndHint(name, description = "") {
  const end = description.search(/[.,;:](\s|$)/);
  const clause = end < 0 ? description : description.slice(0, end);
  if (!clause || clause.length > LONGEST_LABEL) return [sentence(name), description];
  const rest = description.slice(end + 1).trim();
  return [clause, rest.charAt(0).toUpperCase() + rest.slice(1)];
}

/**
 * The fields; `node` goes into the form, `read()` returns the options that differ from their defaults.
 *
 * @param schemas name -> JSON Schema.
 * @param initial values that fields start with, in place of the defaults.
 */
export function optionFields(schemas, initial = {}) {
  const fields = Object.entries(schemas).map(([name, schema]) => optionField(name, schema, initial[name]));
  const count = fields.length > FEW ? FIRST : fields.length;
  const grid = (some) =>
    el(
      "div",
      { class: "option-grid" },
      some.map((field) => field.node),
    );
  const more =
    count < fields.length &&
    el("details", { class: "more" }, el("summary", {}, "More options"), grid(fields.slice(count)));
  const node = fields.length
    ? el("fieldset", { class: "options" }, el("legend", {}, "Options"), grid(fields.slice(0, count)), more)
    : null;
  const read = () => Object.fromEntries(fields.map((field) => field.read()).filter(Boolean));
  return { node, read };
}

function optionField(name, schema, initial) {
  const id = freshId("option");
  const [label, hint] = labelAndHint(name, schema.description);
  const start = initial ?? schema.default;
  const control = controlOf(schema);
  const attributes = { id, name, "aria-describedby": hint ? `${id}-hint` : null };
  const input = control.make(schema, attributes, start);
  const labelNode = el("label", { for: id }, label);
  const hintNode = hint && el("p", { class: "hint", id: `${id}-hint` }, hint);
  const parts =
    control === CHECKBOX
      ? [el("div", { class: "switch" }, input, labelNode), hintNode]
      : [labelNode, input, hintNode];
  const wide = control === SELECT || hint.length > LONGEST_HINT;
  const node = el("div", { class: wide ? "option wide" : "option" }, parts);

  function read() {
    if (!input.checkValidity()) {
      input.closest("details")?.setAttribute("open", "");
      input.focus();
      throw new Problem(`${label}: ${input.validationMessage}`);
    }
    const value = control.value(schema, input);
    if (value === undefined || JSON.stringify(value) === JSON.stringify(schema.default)) return null;
    return [name, value];
  }
  return { node, read };
}

function controlOf(schema) {
  if (schema.enum || schema.examples) return SELECT;
  const types = [schema.type].flat();
  if (types.includes("array")) return LIST;
  if (types.includes("boolean")) return CHECKBOX;
  if (types.includes("string")) return TEXT;
  return types.includes("integer") || types.includes("number") ? numberControl(types) : TEXT;
}

const SELECT = {
  make: (schema, attributes, start) => {
    const values = schema.enum ?? ["", ...schema.examples];
    const select = el(
      "select",
      attributes,
      values.map((value) => el("option", { value: String(value) }, value === "" ? "default" : String(value))),
    );
    select.value = String(start ?? values[0]);
    return select;
  },
  value: (schema, input) => (schema.enum ?? schema.examples).find((value) => String(value) === input.value),
};

const CHECKBOX = {
  make: (schema, attributes, start) =>
    el("input", { ...attributes, type: "checkbox", checked: Boolean(start) }),
  value: (schema, input) => input.checked,
};

const TEXT = {
  make: (schema, attributes, start) =>
    el("input", {
      ...attributes,
      type: "text",
      autocomplete: "off",
      maxlength: schema.maxLength,
      value: start ?? "",
    }),
  value: (schema, input) => {
    const text = input.value.trim();
    if (/^\d+$/.test(text) && [schema.type].flat().includes("integer")) return Number(text);
    return text || undefined;
  },
};

const LIST = {
  make: (schema, attributes, start) =>
    el("input", {
      ...attributes,
      type: "text",
      autocomplete: "off",
      placeholder: "separated by commas",
      value: [start ?? []].flat().join(", "),
    }),
  value: (schema, input) => {
    const parts = input.value
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
    if (!parts.length) return undefined;
    return schema.items?.type === "string"
      ? parts
      : parts.map((part) => (Number.isNaN(Number(part)) ? part : Number(part)));
  },
};

function numberControl(types) {
  return {
    make: (schema, attributes, start) =>
      el("input", {
        ...attributes,
        type: "number",
        inputmode: "decimal",
        autocomplete: "off",
        min: schema.minimum ?? schema.exclusiveMinimum,
        max: schema.maximum ?? schema.exclusiveMaximum,
        step: types.includes("number") ? "any" : 1,
        value: start ?? "",
      }),
    value: (schema, input) => (input.value === "" ? undefined : Number(input.value)),
  };
}
