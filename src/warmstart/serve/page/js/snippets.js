// The same request in the shell and in Python, ready to copy.

import { addressOf, asJson, here, token } from "./api.js";
import { announce, el, freshId } from "./dom.js";

/** A text for a POSIX shell. */
export function shell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A JSON value as Python writes it. */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, one]) => `${python(key)}: ${python(one)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

/** The name of a file for `curl -F`, where `;` and `,` end a name that is not quoted. */
export function formName(name) {
  return /[;,"\\]/.test(name) ? `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : name;
}

const keywords = (options) =>
  Object.entries(options)
    .map(([name, value]) => `, ${name}=${python(value)}`)
    .join("");

function curl(model, request, options) {
  const secret = token() ? ['-H "Authorization: Bearer $TOKEN"'] : [];
  const json = (body) => ["-H 'Content-Type: application/json'", `-d ${shell(JSON.stringify(body))}`];
  if (request.stream) {
    const lines = [
      `curl -N ${here}${model.stream.path}`,
      ...secret,
      ...json({ ...request.stream, stream: true }),
    ];
    return lines.join(" \\\n  ");
  }
  const form = () => [
    `-F ${shell(`file=@${formName(request.file.name)}`)}`,
    ...Object.entries(options).map(([name, value]) => `-F ${shell(`${name}=${value}`)}`),
  ];
  const body = request.file ? form() : json(asJson(request, options));
  return [`curl ${shell(addressOf(model))}`, ...secret, ...body].join(" \\\n  ");
}

function overHttp(model, request, options) {
  if (request.stream) {
    const { model: name, prompt, ...rest } = request.stream;
    return [
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url=${python(`${here}/v1`)}, api_key=${token() ? "TOKEN" : '"none"'})`,
      `stream = client.completions.create(model=${python(name)}, prompt=${python(prompt)}, stream=True${keywords(rest)})`,
      "for part in stream:",
      '    print(part.choices[0].text, end="", flush=True)',
    ].join("\n");
  }
  const secret = token() ? ', headers={"Authorization": f"Bearer {TOKEN}"}' : "";
  const fields = Object.entries(options).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(",") : value,
  ]);
  const form = fields.length ? `, data=${python(Object.fromEntries(fields))}` : "";
  const payload = request.file ? `files={"file": file}${form}` : `json=${python(asJson(request, options))}`;
  const call = `requests.post(${python(addressOf(model))}, ${payload}${secret})`;
  const lines = request.file
    ? [`with open(${python(request.file.name)}, "rb") as file:`, `    response = ${call}`]
    : [`response = ${call}`];
  return ["import requests", "", ...lines, "response.raise_for_status()", "print(response.json())"].join(
    "\n",
  );
}

function inProcess(model, request, options, code) {
  const load = ["import warmstart as ws", "", `model = ws.load(${python(model.source ?? model.id)})`];
  const input = python(request.file ? request.file.name : request.inputs);
  if (request.stream) {
    return [
      ...load,
      `for piece in model.stream_text(${input}${keywords(options)}):`,
      '    print(piece, end="", flush=True)',
    ].join("\n");
  }
  return [...load, `result = model(${input}${keywords(options)})`, ...(code ?? ["print(result)"])].join("\n");
}

/**
 * Three ways to send the same request, as tabs.
 *
 * @param request with `stream`, the body of a streaming request, where it was streamed.
 * @param code the lines of Python that use the result.
 */
export function snippets(model, request, options, code) {
  const ways = [
    ["curl", curl],
    ["Python, over HTTP", overHttp],
    ["Python, without a server", inProcess],
  ];
  const panels = ways.map(([, write]) => {
    const text = write(model, request, options, code);
    const copy = el(
      "button",
      { type: "button", class: "quiet copy", click: () => copied(copy, text) },
      "Copy",
    );
    return el(
      "div",
      { role: "tabpanel", id: freshId("code") },
      copy,
      el("pre", { tabindex: "0" }, el("code", {}, text)),
    );
  });
  const tabs = ways.map(([name], index) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: freshId("tab"),
        "aria-controls": panels[index].id,
        click: () => choose(index),
      },
      name,
    ),
  );
  tabs.forEach((tab, index) => panels[index].setAttribute("aria-labelledby", tab.id));
  function choose(selected) {
    tabs.forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === selected));
      tab.tabIndex = n === selected ? 0 : -1;
      panels[n].hidden = n !== selected;
    });
  }
  choose(0);
  const list = el(
    "div",
    {
      role: "tablist",
      "aria-label": "The same request in code",
      keydown: (event) => {
        const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!move) return;
        const next = (tabs.findIndex((tab) => tab.tabIndex === 0) + move + tabs.length) % tabs.length;
        choose(next);
        tabs[next].focus();
      },
    },
    tabs,
  );
  return el("section", { class: "card code-card" }, el("h2", {}, "The same request in code"), list, panels);
}

async function copied(button, code) {
  try {
    await navigator.clipboard.writeText(code);
    button.textContent = "Copied";
    announce("Copied.");
  } catch {
    button.textContent = "Select it to copy";
    getSelection().selectAllChildren(button.nextElementSibling);
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 2000);
}
