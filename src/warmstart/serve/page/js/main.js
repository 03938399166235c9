// The page: the list of models, and the page of the chosen one.

import { Unauthorized, models, useToken } from "./api.js";
import { bench, problem, titleOf } from "./bench.js";
import { Problem, announce, el, freshId } from "./dom.js";

const main = document.getElementById("main");
const nav = document.getElementById("models");
const choose = document.getElementById("choose");
const benches = new Map(); // model id -> its page, which keeps its state
let served = [];
let current = null; // the page that takes pasted and dropped files

async function start() {
  main.replaceChildren(el("p", { class: "hint" }, "Loading the list of models …"));
  try {
    served = await models();
  } catch (error) {
    main.replaceChildren(error instanceof Unauthorized ? tokenForm(error) : failure(error));
    return;
  }
  list();
  route();
}

function failure(error) {
  return el("div", {}, problem(error), el("button", { type: "button", click: start }, "Try again"));
}

function tokenForm(error) {
  const input = el("input", { type: "password", id: freshId("token"), autocomplete: "off", required: true });
  return el(
    "form",
    {
      class: "card token",
      submit: (event) => {
        event.preventDefault();
        useToken(input.value.trim());
        start();
      },
    },
    el("h1", {}, "This server requires a token"),
    el("p", {}, error.message),
    el(
      "div",
      { class: "field" },
      el("label", { for: input.id }, "Token"),
      input,
      el("p", { class: "hint" }, "It is stored in this tab only."),
    ),
    el("button", {}, "Continue"),
  );
}

function list() {
  const tasks = new Map(); // title -> models
  for (const model of served) tasks.set(model.task_title, [...(tasks.get(model.task_title) ?? []), model]);
  const link = (model) =>
    el(
      "a",
      { href: `#${encodeURIComponent(model.id)}` },
      titleOf(model),
      el("span", { class: "id" }, model.id),
    );
  nav.replaceChildren(
    ...[...tasks].map(([title, group]) => {
      const heading = el("h2", { id: freshId("task") }, title);
      const links = group.map((model) => el("li", {}, link(model)));
      return el("section", { "aria-labelledby": heading.id }, heading, el("ul", {}, links));
    }),
  );
  choose.replaceChildren(
    ...[...tasks].map(([label, group]) =>
      el(
        "optgroup",
        { label },
        group.map((model) => el("option", { value: model.id }, titleOf(model))),
      ),
    ),
  );
}

/** The model id of a fragment; one that is not well-formed names no model. */
function idOf(fragment) {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function route() {
  const id = idOf(location.hash.slice(1));
  const model = id ? served.find((one) => one.id === id) : served[0];
  for (const link of nav.querySelectorAll("a")) {
    if (model && link.hash === `#${encodeURIComponent(model.id)}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!model) {
    current = null;
    const message = served.length
      ? `This server has no model ${id}. Choose one from the list.`
      : "This server has no models.";
    main.replaceChildren(problem(new Problem(message)));
    return;
  }
  choose.value = model.id;
  document.title = `${titleOf(model)} · warmstart`;
  if (!benches.has(model.id))
    benches.set(
      model.id,
      bench(model, (error) => main.replaceChildren(tokenForm(error))),
    );
  current = benches.get(model.id);
  main.replaceChildren(current.node);
  announce(`${titleOf(model)}: ${model.task_summary}`);
}

window.addEventListener("hashchange", () => location.hash !== "#main" && route());
choose.addEventListener("change", () => {
  location.hash = encodeURIComponent(choose.value);
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays that of the model
  main.focus();
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData?.files ?? [];
  if (file && current) {
    event.preventDefault();
    current.take(file);
  }
});
for (const name of ["dragover", "drop"])
  document.addEventListener(name, (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault(); // a file dropped beside the field is taken too, and never opened instead of the page
    const [file] = (name === "drop" && event.dataTransfer?.files) || [];
    if (file) current?.take(file);
  });
start();
