// Sound in the browser: decoding, WAV files, waveforms.

import { Problem, svg } from "./dom.js";

/** A WAV file, 16 bits, one channel. */
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (offset, letters) =>
    [...letters].forEach((letter, n) => view.setUint8(offset + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, n) =>
    view.setInt16(44 + 2 * n, Math.round(32767 * Math.max(-1, Math.min(1, value))), true),
  );
  return new Blob([view.buffer], { type: "audio/wav" });
}

/** Any file that the browser can play, as one channel of samples: `{samples, rate}`. */
export async function decode(file, rate) {
  const context = new OfflineAudioContext(1, 1, rate);
  let decoded;
  try {
    decoded = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Problem(`${file.name} cannot be decoded as sound. Choose another file.`);
  }
  const samples = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
    decoded.getChannelData(channel).forEach((value, n) => {
      samples[n] += value / decoded.numberOfChannels;
    });
  }
  return { samples, rate };
}

/** Loudness over time as a path, in the box of `width` by 100. */
export function waveform(samples, width = 600) {
  const step = samples.length / width;
  const loudest = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  const parts = [];
  for (let x = 0; x < width; x += 3) {
    let most = 0;
    for (let n = Math.floor(x * step); n < (x + 3) * step && n < samples.length; n += 1)
      most = Math.max(most, Math.abs(samples[n]));
    const height = Math.max(1, (46 * most) / loudest);
    parts.push(`M${x + 1.5} ${(50 - height).toFixed(1)}V${(50 + height).toFixed(1)}`);
  }
  return svg(
    "svg",
    { class: "waveform", viewBox: `0 0 ${width} 100`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d: parts.join("") }),
  );
}
