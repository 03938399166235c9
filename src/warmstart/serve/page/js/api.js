// The server: which models it has, one answer, and a streamed text.

import { Problem, bytes } from "./dom.js";

export const LARGEST = 64 * 2 ** 20; // bytes of a request that the server takes
const TOKEN = "warmstart.token";
export const here = new URL("../..", import.meta.url).href.replace(/\/$/, ""); // also behind a proxy's prefix

/** The server wants a token, or another one. */
export class Unauthorized extends Problem {}

export function token() {
  return sessionStorage.getItem(TOKEN);
}

/** Keep the token for this tab only. */
export function useToken(value) {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

function headers(more) {
  return token() ? { ...more, Authorization: `Bearer ${token()}` } : more;
}

/** What went wrong, in words, from a status and what the server said. */
export function trouble(status, text, wait) {
  let said = "";
  try {
    const { error, message, detail } = JSON.parse(text);
    said = typeof error === "string" ? error : (error?.message ?? message ?? detail ?? "");
  } catch {
    // not JSON: a proxy's page; the status has to do
  }
  if (status === 401 || status === 403) return new Unauthorized(said || "This server wants a token.");
  if (status === 413) return new Problem(`This is more than the server takes. ${said}`.trim());
  if (status === 429 || status === 503) {
    const when = Number(wait) > 0 ? `in ${Math.ceil(Number(wait))} s` : "in a moment";
    return new Problem(`The server is busy; try again ${when}. ${said}`.trim());
  }
  if (said) return new Problem(said);
  if (status === 404) return new Problem("The server does not know this model any more; reload the page.");
  return new Problem(`The server answered with status ${status} and gave no reason.`);
}

const unreachable = () => new Problem("The server cannot be reached. Is `warmstart serve` still running?");

async function fetched(path, options) {
  let answer;
  try {
    answer = await fetch(`${here}${path}`, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
  if (!answer.ok) throw trouble(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  return answer;
}

/** The models of the server, as `/v1/models` lists them. */
export async function models() {
  return (await (await fetched("/v1/models", { headers: headers({}) })).json()).data;
}

/** The address that answers for a model. */
export function addressOf(model) {
  return `${here}/v1/predict/${encodeURIComponent(model.id)}`;
}

/** The JSON body of a request without a file. */
export function asJson(request, options) {
  return Object.keys(options).length ? { inputs: request.inputs, options } : { inputs: request.inputs };
}

function asForm(request, options) {
  const form = new FormData();
  form.append("file", request.file);
  for (const [name, value] of Object.entries(options)) form.append(name, String(value));
  return form;
}

/**
 * One answer. An XMLHttpRequest, because `fetch` cannot tell how far an upload is.
 *
 * @param signal aborts it, also in the middle of the upload.
 * @param uploaded called with a share, 0 to 1.
 */
export function predict(model, request, options, { signal, uploaded }) {
  const body = request.file ? asForm(request, options) : JSON.stringify(asJson(request, options));
  const size = request.file ? request.file.size : new Blob([body]).size;
  if (size > LARGEST) {
    return Promise.reject(new Problem(`This is ${bytes(size)}; the server takes up to ${bytes(LARGEST)}.`));
  }
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", addressOf(model));
    const type = request.file ? {} : { "Content-Type": "application/json" }; // a form tells its own
    for (const [name, value] of Object.entries(headers({ ...type, Accept: "application/json" }))) {
      call.setRequestHeader(name, value);
    }
    call.upload.onprogress = (event) => event.lengthComputable && uploaded?.(event.loaded / event.total);
    call.onabort = () => reject(new DOMException("", "AbortError"));
    call.onerror = () => reject(unreachable());
    call.onload = () => {
      if (call.status !== 200) {
        reject(trouble(call.status, call.responseText, call.getResponseHeader("Retry-After")));
        return;
      }
      try {
        resolve(JSON.parse(call.responseText));
      } catch {
        reject(new Problem("The server's answer cannot be read."));
      }
    };
    signal?.addEventListener("abort", () => call.abort(), { once: true });
    call.send(body);
  });
}

/** Pieces of a text while it is written: `{text, finish}`. */
export async function* complete(body, signal) {
  const sent = JSON.stringify({ ...body, stream: true });
  const answer = await fetched("/v1/completions", {
    method: "POST",
    signal,
    body: sent,
    headers: headers({ "Content-Type": "application/json" }),
  });
  for await (const data of events(answer.body)) {
    if (data === "[DONE]") return;
    const message = JSON.parse(data);
    if (message.error) throw trouble(400, data);
    const [choice] = message.choices ?? [];
    if (choice) yield { text: choice.text ?? "", finish: choice.finish_reason ?? null };
  }
}

/** The data of server-sent events, one event at a time. */
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
        if (lines.length) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // hang up, so that the server stops writing
  }
}
