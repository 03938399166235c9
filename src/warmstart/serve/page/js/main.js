// The page: the list of models, the form of the chosen one, its answer, and the same as code.

import { Unauthorized, models, predict, useToken } from "./api.js";
import { WORDS, facts } from "./card.js";
import { Problem, el, freshId, say } from "./dom.js";
import { optionFields } from "./fields.js";
import { TASKS as PICTURES } from "./picture.js";
import { TASKS as SERIES } from "./series.js";
import { snippets } from "./snippets.js";
import { TASKS as SOUNDS } from "./sound.js";
import { TASKS as TEXTS } from "./text.js";
import { TASKS as WRITING } from "./writing.js";

const TASKS = { ...PICTURES, ...TEXTS, ...WRITING, ...SOUNDS, ...SERIES };
const main = document.getElementById("main");
const nav = document.getElementById("models");
const choose = document.getElementById("choose");
const benches = new Map(); // model -> its page, so that going back finds everything as it was
let known = [];
let current = null; // what takes pasted and dropped files

const titleOf = (model) => model.title || model.id;

async function start() {
  main.replaceChildren(el("p", { class: "hint" }, "Asking the server for its models …"));
  try {
    known = await models();
  } catch (error) {
    main.replaceChildren(error instanceof Unauthorized ? tokenForm(error) : failed(error));
    return;
  }
  list();
  route();
}

function failed(error) {
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
    el("h1", {}, "This server wants a token"),
    el("p", {}, error.message),
    el(
      "div",
      { class: "field" },
      el("label", { for: input.id }, "Token"),
      input,
      el("p", { class: "hint" }, "It is kept in this tab only."),
    ),
    el("button", {}, "Go on"),
  );
}

function list() {
  const order = Object.keys(WORDS);
  const groups = Map.groupBy ? Map.groupBy(known, (model) => model.task) : grouped(known);
  const sorted = [...groups].sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
  nav.replaceChildren(
    ...sorted.map(([task, group]) => {
      const heading = el("h2", { id: freshId("task") }, WORDS[task]?.[0] ?? task);
      return el(
        "section",
        { "aria-labelledby": heading.id },
        heading,
        el(
          "ul",
          {},
          group.map((model) =>
            el(
              "li",
              {},
              el(
                "a",
                { href: `#${encodeURIComponent(model.id)}` },
                titleOf(model),
                el("span", { class: "id" }, model.id),
              ),
            ),
          ),
        ),
      );
    }),
  );
  choose.replaceChildren(
    ...sorted.map(([task, group]) =>
      el(
        "optgroup",
        { label: WORDS[task]?.[0] ?? task },
        group.map((model) => el("option", { value: model.id }, titleOf(model))),
      ),
    ),
  );
}

function grouped(all) {
  const groups = new Map();
  for (const model of all) groups.set(model.task, [...(groups.get(model.task) ?? []), model]);
  return groups;
}

function route() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const model = known.find(({ id }) => id === wanted) ?? (wanted ? null : known[0]);
  for (const link of nav.querySelectorAll("a")) {
    if (model && link.hash === `#${encodeURIComponent(model.id)}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!model) {
    current = null;
    main.replaceChildren(
      problem(
        new Problem(
          known.length ? `This server has no model ${wanted}. Choose one of the list.` : "This server has no models.",
        ),
      ),
    );
    return;
  }
  choose.value = model.id;
  document.title = `${titleOf(model)} · warmstart`;
  if (!benches.has(model.id)) benches.set(model.id, bench(model));
  current = benches.get(model.id);
  main.replaceChildren(current.node);
  say(`${titleOf(model)}: ${WORDS[model.task]?.[1] ?? model.task}`);
}

/** The page of one model: its card, its form, its answers. */
function bench(model) {
  const make = TASKS[model.task];
  const head = el(
    "header",
    { class: "head" },
    el("h1", {}, titleOf(model)),
    el("p", { class: "lead" }, WORDS[model.task]?.[1] ?? "", " ", el("code", {}, model.id)),
    facts(model),
  );
  if (!make)
    return { node: el("div", {}, head, problem(new Problem(`This page has no form for ${model.task}; use the API.`))) };

  let controller = null;
  const task = make(model, run);
  const options = optionFields(task.options ?? []);
  const go = el("button", { class: "go" }, task.verb);
  const stop = el(
    "button",
    { type: "button", class: "quiet", hidden: true, click: () => controller?.abort() },
    task.stream ? "Stop" : "Cancel",
  );
  const meter = el("progress", { max: 1, "aria-label": "Upload" });
  const doing = el("div", { class: "doing", hidden: true }, meter, el("span", {}));
  const answer = el("div", { class: "answer-place" }, el("p", { class: "hint empty" }, "The answer appears here."));
  const code = el("div");
  const form = el(
    "form",
    { class: "card input", novalidate: true, "aria-label": "Input" },
    task.form,
    chips(task.examples),
    options.node,
    el("div", { class: "actions" }, go, stop),
    doing,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
    if (event.key === "Escape" && controller) controller.abort();
  });
  form.addEventListener("trouble", (event) => fail(event.detail));
  const node = el(
    "div",
    {},
    head,
    el("div", { class: "bench" }, form, el("section", { class: "card output", "aria-label": "Answer" }, answer)),
    code,
  );

  function chips(examples) {
    if (!examples?.length) return null;
    const buttons = examples.map((one) =>
      el(
        "button",
        {
          type: "button",
          class: one.picture ? "chip with-picture" : "chip",
          click: async () => {
            try {
              await one.use();
              if (!one.picture) await run();
            } catch (error) {
              fail(error);
            }
          },
        },
        one.picture && el("img", { src: one.picture, alt: "", width: 44, height: 44 }),
        el("span", {}, one.label),
      ),
    );
    return el(
      "div",
      { class: "examples", role: "group", "aria-label": "Examples" },
      el("span", { class: "hint" }, "Try"),
      buttons,
    );
  }

  function busy(on, text = "") {
    if (!on && document.activeElement === stop) go.focus();
    stop.hidden = !on;
    doing.hidden = !on;
    doing.lastChild.textContent = text;
    answer.setAttribute("aria-busy", String(on));
  }

  function progress(share) {
    const text =
      typeof share === "string"
        ? share
        : share < 1
          ? `Sending: ${Math.round(100 * share)} %`
          : "The model is at work …";
    if (typeof share === "number" && share < 1) meter.value = share;
    else meter.removeAttribute("value");
    doing.lastChild.textContent = text;
  }

  function fail(error) {
    const lines = error instanceof Problem ? error : new Problem(`The page failed: ${error.message}. Reload it.`);
    if (!(error instanceof Problem)) console.error(error);
    answer.replaceChildren(problem(lines));
    if (error instanceof Unauthorized) main.replaceChildren(tokenForm(error));
  }

  async function run() {
    controller?.abort();
    const mine = new AbortController();
    controller = mine;
    busy(true, "The model is at work …");
    progress("The model is at work …");
    const began = performance.now();
    try {
      const chosen = options.read();
      const request = { ...(await task.read()), options: chosen };
      const context = { signal: mine.signal, place: answer, progress };
      const shown = task.stream
        ? await task.stream(model, request, chosen, context)
        : task.show(await predict(model, request, chosen, { signal: mine.signal, uploaded: progress }), request);
      if (controller !== mine) return;
      const took = performance.now() - began;
      if (shown.node)
        answer.replaceChildren(
          el(
            "div",
            { class: "result-head" },
            el("h2", {}, shown.headline ?? shown.said),
            el("span", { class: "took" }, took < 1000 ? `${Math.round(took)} ms` : `${(took / 1000).toFixed(1)} s`),
          ),
          shown.node,
        );
      code.replaceChildren(snippets(model, request, chosen));
      say(shown.said);
    } catch (error) {
      if (controller !== mine) return;
      if (error.name === "AbortError") answer.replaceChildren(el("p", { class: "hint empty" }, "Cancelled."));
      else fail(error);
    } finally {
      if (controller === mine) {
        controller = null;
        busy(false);
        reveal(answer.parentElement);
      }
    }
  }

  const take = async (file) => {
    try {
      if (!task.takeFile) throw new Problem("This model takes text, not files.");
      await task.takeFile(file);
    } catch (error) {
      fail(error);
    }
  };
  return { node, take };
}

/** Where form and answer stand below each other, bring an answer into view that is below the window. */
function reveal(card) {
  if (card.getBoundingClientRect().top < innerHeight - 140) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  card.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
}

function problem(error) {
  return el("div", { class: "problem", role: "alert" }, el("p", {}, error.message));
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
  if (file && current?.take) {
    event.preventDefault();
    current.take(file);
  }
});
for (const name of ["dragover", "drop"])
  document.addEventListener(name, (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault(); // a file beside the field is taken too, and never opened instead of the page
    const [file] = (name === "drop" && event.dataTransfer?.files) || [];
    if (file) current?.take?.(file);
  });
start();
