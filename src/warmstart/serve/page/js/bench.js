// The page of one model: its card, its form, its results, and the same request in code.

import { Unauthorized, predict } from "./api.js";
import { facts } from "./card.js";
import { Problem, announce, el } from "./dom.js";
import { inputForm } from "./forms.js";
import { optionFields } from "./options.js";
import { rendererOf } from "./renderers.js";
import { snippets } from "./snippets.js";
import { showStream, streamBody } from "./stream.js";

const WORKING = "Waiting for the model …";

/** The name of a model for people. */
export const titleOf = (model) => model.title || model.id;

/**
 * @param unauthorized called with the error where the server requires a token.
 * @returns `{node, take}`: the page, and what takes a pasted or dropped file.
 */
export function bench(model, unauthorized) {
  const renderer = rendererOf(model);
  const form = inputForm(model, renderer, run);
  const options = optionFields(bounded(model), model.example_options);
  let controller = null; // of the request in progress

  const go = el("button", { class: "go" }, verbOf(model));
  const stop = el(
    "button",
    { type: "button", class: "quiet", hidden: true, click: () => controller?.abort() },
    "Cancel",
  );
  const meter = el("progress", { max: 1, "aria-label": "Upload" });
  const activity = el("div", { class: "doing", hidden: true }, meter, el("span", {}));
  const output = el("div", {}, el("p", { class: "hint empty" }, "The result appears here."));
  const code = el("div");
  const formNode = el(
    "form",
    { class: "card input", novalidate: true, "aria-label": "Input" },
    form.node,
    chips(model.examples ?? []),
    options.node,
    el("div", { class: "actions" }, go, stop),
    activity,
  );
  formNode.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  formNode.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
    if (event.key === "Escape" && controller) controller.abort();
  });
  formNode.addEventListener("failure", (event) => fail(event.detail));
  const head = el(
    "header",
    { class: "head" },
    el("h1", {}, titleOf(model)),
    el("p", { class: "lead" }, model.task_summary, " ", el("code", {}, model.id)),
    facts(model),
  );
  const results = el("section", { class: "card output", "aria-label": "Result" }, output);
  const node = el("div", {}, head, el("div", { class: "bench" }, formNode, results), code);

  /** Buttons of the examples; choosing a file starts a prediction by itself where the form does so. */
  function chips(examples) {
    if (!examples.length) return null;
    const pictures = model.input === "image";
    const buttons = examples.map((example) =>
      el(
        "button",
        { type: "button", class: pictures ? "chip with-picture" : "chip", click: () => tryExample(example) },
        pictures && el("img", { src: example.file, alt: "", width: 44, height: 44 }),
        el("span", {}, labelOf(example)),
      ),
    );
    return el(
      "div",
      { class: "examples", role: "group", "aria-label": "Examples" },
      el("span", { class: "hint" }, "Try"),
      buttons,
    );
  }

  async function tryExample(example) {
    try {
      await form.use(example);
      if (!form.runsOnChoice) await run();
    } catch (error) {
      fail(error);
    }
  }

  function busy(on) {
    if (!on && document.activeElement === stop) go.focus();
    stop.hidden = !on;
    activity.hidden = !on;
    output.setAttribute("aria-busy", String(on));
  }

  /** Show a text, or the fraction of an upload that is sent. */
  function progress(state) {
    const uploading = typeof state === "number" && state < 1;
    if (uploading) meter.value = state;
    else meter.removeAttribute("value");
    activity.lastChild.textContent = uploading
      ? `Sending: ${Math.round(100 * state)} %`
      : typeof state === "string"
        ? state
        : WORKING;
  }

  function fail(error) {
    const shown =
      error instanceof Problem ? error : new Problem(`The page failed: ${error.message}. Reload it.`);
    if (!(error instanceof Problem)) console.error(error);
    output.replaceChildren(problem(shown));
    if (error instanceof Unauthorized) unauthorized(error);
  }

  async function run() {
    controller?.abort();
    const mine = new AbortController();
    controller = mine;
    stop.textContent = "Cancel";
    busy(true);
    progress(WORKING);
    const began = performance.now();
    try {
      const chosen = options.read();
      const request = await form.read();
      const body = streamBody(model, request, chosen);
      stop.textContent = body ? "Stop" : "Cancel";
      const view = body
        ? await showStream(model.stream.path, body, { output, signal: mine.signal, progress })
        : show(
            renderer,
            await predict(model, request, chosen, { signal: mine.signal, uploaded: progress }),
            request,
          );
      if (controller !== mine) return;
      if (view.node) output.replaceChildren(resultHead(view.headline, performance.now() - began), view.node);
      code.replaceChildren(snippets(model, { ...request, stream: body }, chosen, renderer.code));
      announce(view.status ?? view.headline);
    } catch (error) {
      if (controller !== mine) return;
      if (error.name === "AbortError") output.replaceChildren(el("p", { class: "hint empty" }, "Cancelled."));
      else fail(error);
    } finally {
      if (controller === mine) {
        controller = null;
        busy(false);
        reveal(results);
      }
    }
  }

  async function take(file) {
    try {
      if (!form.take) throw new Problem("This model does not take files.");
      await form.take(file);
    } catch (error) {
      fail(error);
    }
  }
  return { node, take };
}

/** The options of a model; no more classes can be asked for than it has. */
function bounded({ options, labels }) {
  if (!options.top_k || labels < 2) return options;
  const limited = { maximum: labels, default: Math.min(options.top_k.default ?? labels, labels) };
  return { ...options, top_k: { ...options.top_k, ...limited } };
}

/** What the renderer shows for an answer: one result, or `{results: […]}`, some of which may be errors. */
function show(renderer, answer, request) {
  const all = answer.results ?? [answer];
  const good = all.filter((one) => !one.error);
  if (!good.length) throw new Problem(all[0]?.error ?? "There is no result.");
  const failed = all.filter((one) => one.error).map((one) => el("li", {}, one.error));
  const problems = failed.length > 0 && el("ul", { class: "problems" }, failed);
  if (renderer.several) {
    const inputs = Array.isArray(request.inputs)
      ? request.inputs.filter((_, index) => !all[index].error)
      : undefined;
    const view = renderer.render(good, { ...request, inputs });
    return { ...view, node: el("div", {}, view.node, problems) };
  }
  if (good.length === 1) {
    const view = renderer.render(good[0], request);
    return { ...view, node: el("div", {}, view.node, problems) };
  }
  const views = good.map((one) => [one.input, renderer.render(one, request)]);
  const sections = views.map(([name, view]) =>
    el("section", {}, el("h3", {}, `${name}: ${view.headline}`), view.node),
  );
  return {
    headline: `${good.length} results`,
    node: el("div", { class: "record-view" }, sections, problems),
  };
}

function resultHead(headline, milliseconds) {
  const time =
    milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
  return el("div", { class: "result-head" }, el("h2", {}, headline), el("span", { class: "took" }, time));
}

function verbOf({ verb }) {
  const text = verb.replaceAll("-", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** An example as the text of a button. */
function labelOf({ label, input }) {
  if (label) return label;
  if (Array.isArray(input)) return input.map((one) => labelOf({ input: one })).join(" / ");
  if (input && typeof input === "object") return labelOf({ input: Object.values(input)[0] });
  return String(input).replaceAll("\n", " ");
}

/** Where form and result are one above the other, scroll to a result that is below the window. */
function reveal(card) {
  if (card.getBoundingClientRect().top < innerHeight - 140) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  card.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
}

/** A message of an error. */
export function problem(error) {
  return el("div", { class: "problem", role: "alert" }, el("p", {}, error.message));
}
