// Transcripts: each word or segment plays its part of the recording.

import { clock, counted, el, percent } from "./dom.js";
import { player } from "./preview.js";

export function showTranscript({ text, words, segments, language, duration, channels }, { file }) {
  const audio = player(file);
  const byWord = words.length > 0 && !channels;
  const parts = byWord ? words : segments;
  const buttons = parts.map((part) => wordButton(part, audio));
  audio.addEventListener("timeupdate", () =>
    parts.forEach((part, index) =>
      buttons[index].classList.toggle(
        "playing",
        audio.currentTime >= part.start && audio.currentTime < part.end,
      ),
    ),
  );
  const facts = [language && `language: ${language}`, `${duration.toFixed(1)} s of sound`]
    .filter(Boolean)
    .join(", ");
  const unit = byWord ? "word" : "segment";
  const node = el(
    "div",
    {},
    audio,
    parts.length
      ? el(
          "div",
          {
            class: "reading words",
            role: "group",
            "aria-label": `Transcript; a ${unit} plays from its start`,
          },
          buttons.flatMap((button) => [button, " "]),
        )
      : el("p", { class: "reading" }, text || "(no speech)"),
    el("p", { class: "hint" }, parts.length ? `${facts}. Click a ${unit} to play it.` : `${facts}.`),
    parts.length > 0 && times(parts, `Times of the ${unit}s`),
  );
  return {
    headline: byWord ? counted(words.length, "word") : "Transcript",
    status: text || "No speech",
    node,
  };
}

function wordButton(part, audio) {
  const { start, end, score } = part;
  const play = () => {
    audio.currentTime = start;
    audio.play().catch(() => {});
  };
  const title = `${clock(start)} to ${clock(end)}, score ${percent(score)}`;
  return el("button", { type: "button", class: "word", click: play, title }, spoken(part));
}

function spoken({ text, channel }) {
  return (channel ? `[${channel}] ` : "") + text.trim();
}

function times(parts, title) {
  const heads = ["start", "end", "text", "score"].map((name) => el("th", { scope: "col" }, name));
  const rows = parts.map((part) =>
    el(
      "tr",
      {},
      [clock(part.start), clock(part.end), spoken(part), percent(part.score)].map((value) =>
        el("td", {}, value),
      ),
    ),
  );
  return el(
    "details",
    {},
    el("summary", {}, title),
    el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)),
  );
}
