// Requests to the server: its models, a prediction, a streamed text.

import { Problem, bytes } from "./dom.js";

const TOKEN = "warmstart.token";
export const here = new URL("../..", import.meta.url).href.replace(/\/$/, ""); // also behind a proxy's prefix

/** The server requires a token, or another one. */
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

/** The error of a response, from its status, body and Retry-After header. */
export function errorOf(status, text, retryAfter) {
  let reason = "";
  try {
    const { error, message, detail } = JSON.parse(text);
    reason = typeof error === "string" ? error : (error?.message ?? message ?? detail ?? "");
  } catch {
    // not JSON, such as the page of a proxy: the status remains
  }
  if (status === 401 || status === 403) return new Unauthorized(reason || "This server requires a token.");
  if (status === 413) return new Problem(`The request is too large for this server. ${reason}`.trim());
  if (status === 429 || status === 503) {
    const when = Number(retryAfter) > 0 ? `in ${Math.ceil(Number(retryAfter))} s` : "in a moment";
    return new Problem(`The server is busy; try again ${when}. ${reason}`.trim());
  }
  if (reason) return new Problem(reason);
  if (status === 404) return new Problem("The server no longer has this model; reload the page.");
  return new Problem(`The server answered with status ${status} and no reason.`);
}

const unreachable = () => new Problem("The server cannot be reached. Is `warmstart serve` still running?");

async function fetched(path, options) {
  let answer;
  try {
    answer = await fetch(`${here}${path}`, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
  if (!answer.ok) throw errorOf(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  return answer;
}

/** The models of the server, as `/v1/models` lists them. */
export async function models() {
  return (await (await fetched("/v1/models", { headers: headers({}) })).json()).data;
}

/** The address of a model's predictions. */
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
 * A prediction. An XMLHttpRequest, because `fetch` does not report the progress of an upload.
 *
 * @param signal aborts it, also in the middle of the upload.
 * @param uploaded called with the fraction that is sent, 0 to 1.
 */
export function predict(model, request, options, { signal, uploaded }) {
  const body = request.file ? asForm(request, options) : JSON.stringify(asJson(request, options));
  const size = request.file ? request.file.size : new Blob([body]).size;
  if (size > model.max_body) {
    return Promise.reject(new Problem(`This is ${bytes(size)}; the server takes up to ${bytes(model.max_body)}.`));
  }
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", addressOf(model));
    const type = request.file ? {} : { "Content-Type": "application/json" }; // the browser sets that of a form
    for (const [name, value] of Object.entries(headers({ ...type, Accept: "application/json" }))) {
      call.setRequestHeader(name, value);
    }
    call.upload.onprogress = (event) => event.lengthComputable && uploaded?.(event.loaded / event.total);
    call.onabort = () => reject(new DOMException("", "AbortError"));
    call.onerror = () => reject(unreachable());
    call.onload = () => {
      if (call.status !== 200) {
        reject(errorOf(call.status, call.responseText, call.getResponseHeader("Retry-After")));
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

/** A picture as this browser can show it, made by the server. */
export async function shown(file) {
  const answer = await fetched("/preview", { method: "POST", body: file, headers: headers({}) });
  return answer.blob();
}

/** Pieces of a text while it is generated: `{text, finish}`. */
export async function* complete(path, body, signal) {
  const answer = await fetched(path, {
    method: "POST",
    signal,
    body: JSON.stringify({ ...body, stream: true }),
    headers: headers({ "Content-Type": "application/json" }),
  });
  for await (const data of events(answer.body)) {
    if (data === "[DONE]") return;
    const message = JSON.parse(data);
    if (message.error) throw errorOf(400, data);
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
    reader.cancel().catch(() => {}); // hang up, so that the server stops generating
  }
}
