// The same request from a shell and from Python, ready to copy.

import { addressOf, asJson, here, token } from "./api.js";
import { el, freshId, say } from "./dom.js";

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

const named = (options) =>
  Object.entries(options)
    .map(([name, value]) => `, ${name}=${python(value)}`)
    .join("");
const written = (model, request, options) => ({ model: model.id, prompt: request.inputs, ...options });

function curl(model, request, options) {
  const lines = [];
  const secret = token() ? ['-H "Authorization: Bearer $TOKEN"'] : [];
  if (request.kind === "prompt") {
    lines.push(
      `curl -N ${here}/v1/completions`,
      ...secret,
      "-H 'Content-Type: application/json'",
      `-d ${shell(JSON.stringify({ ...written(model, request, options), stream: true }))}`,
    );
  } else if (request.file) {
    const fields = Object.entries(options).map(([name, value]) => `-F ${shell(`${name}=${value}`)}`);
    lines.push(`curl ${shell(addressOf(model))}`, ...secret, `-F ${shell(`file=@${request.file.name}`)}`, ...fields);
  } else {
    const body = JSON.stringify(asJson(request, options));
    lines.push(
      `curl ${shell(addressOf(model))}`,
      ...secret,
      "-H 'Content-Type: application/json'",
      `-d ${shell(body)}`,
    );
  }
  return lines.join(" \\\n  ");
}

function overHttp(model, request, options) {
  if (request.kind === "prompt") {
    const { model: name, prompt, ...rest } = written(model, request, options);
    return [
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url=${python(`${here}/v1`)}, api_key=${token() ? "TOKEN" : '"none"'})`,
      `for part in client.completions.create(model=${python(name)}, prompt=${python(prompt)},`,
      `                                      stream=True${named(rest)}):`,
      '    print(part.choices[0].text, end="", flush=True)',
    ].join("\n");
  }
  const secret = token() ? ', headers={"Authorization": f"Bearer {TOKEN}"}' : "";
  const form = Object.keys(options).length ? `, data=${python(options)}` : "";
  const payload = request.file ? `files={"file": file}${form}` : `json=${python(asJson(request, options))}`;
  const call = `requests.post(${python(addressOf(model))}, ${payload}${secret})`;
  const lines = request.file
    ? [`with open(${python(request.file.name)}, "rb") as file:`, `    answer = ${call}`]
    : [`answer = ${call}`];
  return ["import requests", "", ...lines, "answer.raise_for_status()", "print(answer.json())"].join("\n");
}

function inProcess(model, request, options) {
  const load = ["import warmstart as ws", "", `model = ws.load(${python(model.source ?? model.id)})`];
  const { max_tokens: most, ...rest } = options;
  if (request.kind === "prompt") {
    const given = named({ ...(most ? { max_new_tokens: most } : {}), ...rest });
    return [
      ...load,
      `for piece in model.stream(${python(request.inputs)}${given}):`,
      '    print(piece, end="", flush=True)',
    ].join("\n");
  }
  const input =
    request.kind === "pair"
      ? `(${python(request.inputs.question)}, ${python(request.inputs.context)})`
      : python(request.file ? request.file.name : request.inputs);
  const after = {
    words: ['result.save("sound.wav")'],
    texts: ["print(results[0].vector @ results[1].vector)"],
    table: ["print(results[0].to_frame())"],
  }[request.kind] ?? ["print(result)"];
  const result = request.kind === "texts" || request.kind === "table" ? "results" : "result";
  return [...load, `${result} = model(${input}${named(options)})`, ...after].join("\n");
}

/** Three ways to do the same, as tabs. */
export function snippets(model, request, options) {
  const ways = [
    ["curl", curl],
    ["Python, over HTTP", overHttp],
    ["Python, without a server", inProcess],
  ];
  const panels = ways.map(([, write]) => {
    const code = write(model, request, options);
    const copy = el("button", { type: "button", class: "quiet copy", click: () => copied(copy, code) }, "Copy");
    return el(
      "div",
      { role: "tabpanel", id: freshId("code") },
      copy,
      el("pre", { tabindex: "0" }, el("code", {}, code)),
    );
  });
  const tabs = ways.map(([name], place) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: freshId("tab"),
        "aria-controls": panels[place].id,
        click: () => choose(place),
      },
      name,
    ),
  );
  tabs.forEach((tab, place) => panels[place].setAttribute("aria-labelledby", tab.id));
  function choose(place) {
    tabs.forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === place));
      tab.tabIndex = n === place ? 0 : -1;
      panels[n].hidden = n !== place;
    });
  }
  choose(0);
  const list = el(
    "div",
    {
      role: "tablist",
      "aria-label": "The same from your own code",
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
  return el("section", { class: "card code-card" }, el("h2", {}, "The same from your own code"), list, panels);
}

async function copied(button, code) {
  try {
    await navigator.clipboard.writeText(code);
    button.textContent = "Copied";
    say("Copied.");
  } catch {
    button.textContent = "Select it to copy";
    getSelection().selectAllChildren(button.nextElementSibling);
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 2000);
}
