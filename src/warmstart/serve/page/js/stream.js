// Text generation: the text appears while it is generated, and can be stopped.

import { complete } from "./api.js";
import { announce, counted, el } from "./dom.js";
import { story, why } from "./text.js";

/**
 * The request of the endpoint that streams, or null where it cannot express the options.
 *
 * @param stream of the model: `{path, options, required}`; the names that the endpoint has for options, and those of
 *   the model's options that must be set, because their defaults differ there.
 */
export function streamBody({ id, stream }, { inputs }, options) {
  if (!stream || typeof inputs !== "string") return null;
  const names = Object.keys(options);
  if (!names.every((name) => name in stream.options) || !stream.required.every((name) => name in options))
    return null;
  const renamed = names.map((name) => [stream.options[name], options[name]]);
  return { model: id, prompt: inputs, ...Object.fromEntries(renamed) };
}

/** Write into `output` until the text ends, or `signal` stops it. */
export async function showStream(path, body, { output, signal, progress }) {
  const written = el("span", { class: "written" });
  const note = el("p", { class: "hint" });
  const text = story(body.prompt, written);
  text.setAttribute("aria-busy", "true");
  output.replaceChildren(text, note);
  const began = performance.now();
  let finish = null;
  let stopped = false;
  announce("Generating.");
  try {
    for await (const piece of complete(path, body, signal)) {
      if (piece.text) {
        written.append(piece.text);
        progress("Generating …");
      }
      finish = piece.finish ?? finish;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    stopped = true;
  } finally {
    text.removeAttribute("aria-busy");
  }
  const seconds = (performance.now() - began) / 1000;
  const reason = stopped ? "Stopped" : why(finish);
  const length = Array.from(written.textContent).length;
  note.textContent = `${reason}. ${counted(length, "character")} in ${seconds.toFixed(1)} s.`;
  return { status: `${reason}. ${written.textContent.slice(0, 300)}` };
}
