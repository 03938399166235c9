// Recording with the microphone.

import { decode, wav } from "./audio.js";
import { Problem, announce, clock, el } from "./dom.js";

export const RATE = 16_000; // Hz of recordings made or decoded here

/** A button that starts and stops a recording; `finished` is called with a WAV file. */
export function recordButton(finished) {
  const button = el("button", { type: "button", class: "quiet record", "aria-pressed": "false" }, "Record");
  let recorder = null;
  const fail = (error) => button.dispatchEvent(new CustomEvent("failure", { bubbles: true, detail: error }));
  const label = (text, pressed) => {
    button.textContent = text;
    button.setAttribute("aria-pressed", String(pressed));
  };
  button.addEventListener("click", () => {
    if (recorder) recorder.stop();
    else start().catch(fail);
  });

  async function start() {
    const stream = await microphone();
    const parts = [];
    const began = performance.now();
    const timer = setInterval(
      () => label(`Stop recording (${clock((performance.now() - began) / 1000)})`, true),
      200,
    );
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = () => {
      clearInterval(timer);
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      label("Record", false);
      finish(new File(parts, "recording.webm")).catch(fail);
    };
    recorder.start();
    label("Stop recording", true);
    announce("Recording.");
  }

  async function finish(recording) {
    const { samples, rate } = await decode(recording, RATE);
    finished(new File([wav(samples, rate)], "recording.wav", { type: "audio/wav" }));
  }
  return button;
}

async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Problem("Browsers record only on pages of this machine or over https. Drop a file instead.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Problem(
      error.name === "NotFoundError"
        ? "There is no microphone. Drop a file instead."
        : "The browser did not allow the microphone. Allow it for this page, or drop a file instead.",
    );
  }
}
