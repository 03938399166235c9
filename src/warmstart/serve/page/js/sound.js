// Sound in and out: recordings become transcripts with the times of their words; what is asked for becomes sound.

import { Problem, clock, counted, el, percent, say } from "./dom.js";
import { fileField, textField } from "./fields.js";
import { decode, wav, waveform } from "./wav.js";

const RATE = 16_000; // Hz of what is recorded here
const SENT_AS_IT_IS = /\.(wav|flac|ogg|oga|opus|mp3|aiff?|au)$/i; // the server decodes these; others are decoded here
const SOUNDS = /\.(wav|flac|og[ga]|opus|mp3|m4a|aac|mp4|webm|aiff?|au)$/i;

function looksWrong(file) {
  if (/^(audio|video)\//.test(file.type) || SOUNDS.test(file.name)) return null;
  return `${file.name} is not a recording. Choose a WAV, FLAC, OGG, MP3 or M4A file.`;
}

/** A file to drop, or a recording made here. */
function recordings(run) {
  const field = fileField({
    label: "Drop a recording here, or choose one",
    hint: "WAV, FLAC, OGG, MP3 or M4A.",
    accept: "audio/*,video/*",
    accepts: looksWrong,
    preview: player,
    chosen: () => run(),
  });
  const button = el("button", { type: "button", class: "quiet record", "aria-pressed": "false" }, "Record");
  let recorder = null;
  const trouble = (error) => button.dispatchEvent(new CustomEvent("trouble", { bubbles: true, detail: error }));
  button.addEventListener("click", () => {
    if (recorder) recorder.stop();
    else begin().catch(trouble);
  });

  async function begin() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Problem("Browsers record only on pages of this machine or over https. Drop a file instead.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      throw new Problem(
        error.name === "NotFoundError"
          ? "There is no microphone. Drop a file instead."
          : "The browser did not allow the microphone. Allow it for this page, or drop a file instead.",
      );
    }
    const parts = [];
    recorder = new MediaRecorder(stream);
    const label = (text, on) => {
      button.textContent = text;
      button.setAttribute("aria-pressed", String(on));
    };
    const began = performance.now();
    const ticking = setInterval(
      () => label(`Stop recording (${clock((performance.now() - began) / 1000)})`, true),
      200,
    );
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = () => {
      clearInterval(ticking);
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      label("Record", false);
      take(new File(parts, "recording.webm")).catch(trouble);
    };
    recorder.start();
    label("Stop recording", true);
    say("Recording.");
  }

  async function take(recording) {
    const { samples, rate } = await decode(recording, RATE);
    field.take(new File([wav(samples, rate)], "recording.wav", { type: "audio/wav" }), "recorded");
  }

  return { node: el("div", {}, field.node, button), field };
}

function player(file) {
  const audio = el("audio", { controls: true, "aria-label": `Player of ${file.name}` });
  audio.src = URL.createObjectURL(file);
  return audio;
}

/** The file as the server reads it: what it cannot decode is decoded here. */
async function readable(file) {
  if (SENT_AS_IT_IS.test(file.name)) return file;
  const { samples, rate } = await decode(file, RATE);
  return new File([wav(samples, rate)], file.name.replace(/\.\w+$/, ".wav"), { type: "audio/wav" });
}

function recognise(model, run) {
  const { node, field } = recordings(run);
  const whisper = model.architecture === "whisper";
  const options = whisper
    ? [
        {
          name: "language",
          label: "Language",
          kind: "text",
          value: "",
          placeholder: "en",
          hint: "A code such as en; empty: found out.",
        },
        { name: "words", label: "Times of the words", kind: "switch", value: false },
        { name: "translate", label: "Translate to English", kind: "switch", value: false },
      ]
    : [];
  return {
    form: node,
    options,
    verb: "Transcribe",
    show: showTranscript,
    examples: [],
    takeFile: field.take,
    read: async () => ({ file: await readable(field.read("recording")), kind: "recording" }),
  };
}

function showTranscript(answer, { file }) {
  const audio = player(file);
  const timed = answer.words.length ? answer.words : answer.segments;
  const jump = (start) => () => {
    audio.currentTime = start;
    audio.play().catch(() => {});
  };
  const words = timed.map((part) =>
    el(
      "button",
      {
        type: "button",
        class: "word",
        click: jump(part.start),
        title: `${clock(part.start)} to ${clock(part.end)}, ${percent(part.score)} sure`,
      },
      part.text.trim(),
    ),
  );
  audio.addEventListener("timeupdate", () =>
    timed.forEach((part, place) =>
      words[place].classList.toggle("playing", audio.currentTime >= part.start && audio.currentTime < part.end),
    ),
  );
  const table = el(
    "details",
    {},
    el("summary", {}, answer.words.length ? "Times of the words" : "Times of the parts"),
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["from", "to", "text", "sure"].map((name) => el("th", { scope: "col" }, name)),
        ),
      ),
      el(
        "tbody",
        {},
        timed.map((part) =>
          el(
            "tr",
            {},
            el("td", {}, clock(part.start)),
            el("td", {}, clock(part.end)),
            el("td", {}, part.text.trim()),
            el("td", {}, percent(part.score)),
          ),
        ),
      ),
    ),
  );
  const told = [answer.language && `language: ${answer.language}`, `${answer.duration.toFixed(1)} s of sound`]
    .filter(Boolean)
    .join(", ");
  const node = el(
    "div",
    {},
    audio,
    timed.length
      ? el(
          "div",
          { class: "reading words", role: "group", "aria-label": "Transcript; each part plays from there" },
          words.flatMap((word) => [word, " "]),
        )
      : el("p", { class: "reading" }, answer.text || "(nobody speaks)"),
    el("p", { class: "hint" }, timed.length ? `${told}. Choose a word to hear it.` : `${told}.`),
    timed.length > 0 && table,
  );
  return {
    said: answer.text || "Nobody speaks",
    headline: answer.words.length ? counted(answer.words.length, "word") : "Transcript",
    node,
  };
}

function generate(model, run) {
  if (model.input === "audio") return vocode(model, run);
  const [sayable = [], speakers = []] = model.classes ?? [];
  const field = textField({
    label: "What to say",
    rows: 2,
    hint: sayable.length ? `It knows: ${sayable.join(", ")}.` : undefined,
  });
  const options = generatorOptions();
  if (speakers.length) {
    options.unshift({
      name: "speaker",
      label: "Speaker",
      kind: "select",
      value: "",
      choices: [["", "any"], ...speakers.map((name) => [name, name])],
    });
  }
  const words = sayable.length ? [sayable[0], sayable.slice(-3).join(" ")] : [];
  return {
    form: field.node,
    options,
    verb: "Say it",
    show: showSound,
    examples: [...new Set(words)].map((text) => ({
      label: text,
      use: () => {
        field.input.value = text;
      },
    })),
    read: () => ({ inputs: field.read("word to say"), kind: "words" }),
  };
}

function generatorOptions() {
  return [
    {
      name: "seconds",
      label: "Seconds of each word",
      kind: "number",
      min: 0.02,
      max: 60,
      step: "any",
      value: "",
      hint: "Empty: as people say it.",
    },
    {
      name: "temperature",
      label: "Temperature",
      kind: "number",
      min: 0.01,
      max: 10,
      step: "any",
      value: 1,
      hint: "Less is cleaner and duller.",
    },
    {
      name: "seed",
      label: "Seed",
      kind: "number",
      min: 0,
      max: 2 ** 31 - 1,
      step: 1,
      value: 0,
      hint: "The same seed makes the same sound.",
    },
  ];
}

function vocode(model, run) {
  const { node, field } = recordings(run);
  return {
    form: node,
    options: generatorOptions().slice(1),
    verb: "Say it again",
    show: showSound,
    examples: [],
    takeFile: field.take,
    read: async () => ({ file: await readable(field.read("recording")), kind: "recording" }),
  };
}

function showSound(answer) {
  const raw = Uint8Array.from(atob(answer.audio_wav), (character) => character.charCodeAt(0));
  const file = new File([raw], "sound.wav", { type: "audio/wav" });
  const audio = player(file);
  const url = audio.src;
  const told = `${answer.seconds.toFixed(2)} s at ${answer.sample_rate.toLocaleString("en")} Hz`;
  const wave = el("div");
  decode(file, answer.sample_rate).then(({ samples }) => wave.append(waveform(samples)));
  const node = el(
    "div",
    {},
    wave,
    audio,
    el("p", { class: "hint" }, `${told}. `, el("a", { href: url, download: "sound.wav" }, "Save it as sound.wav")),
  );
  return { said: `${told} of sound`, headline: `${answer.seconds.toFixed(2)} s of sound`, node };
}

export const TASKS = { "speech-recognition": recognise, "audio-generation": generate };
