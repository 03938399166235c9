// Generated sound: a waveform and a player.

import { decode, waveform } from "./audio.js";
import { el } from "./dom.js";
import { fileOf, player } from "./preview.js";

export function showSound({ audio_wav, sample_rate, seconds }) {
  const file = fileOf(audio_wav, "sound.wav", "audio/wav");
  const audio = player(file);
  const wave = el("div");
  decode(file, sample_rate).then(({ samples }) => wave.append(waveform(samples)));
  const length = `${seconds.toFixed(2)} s`;
  const rate = `${sample_rate.toLocaleString("en")} Hz`;
  const save = el("a", { href: audio.src, download: "sound.wav" }, "Save as sound.wav");
  return {
    headline: `${length} of sound`,
    status: `${length} of sound at ${rate}`,
    node: el("div", {}, wave, audio, el("p", { class: "hint" }, `${length} at ${rate}. `, save)),
  };
}
