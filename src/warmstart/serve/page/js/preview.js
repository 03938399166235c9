// Previews of files: pictures and sound.

import { el } from "./dom.js";

/** A file as an `img`; a note in its place where the browser cannot show it. */
export function pictureOf(file, alt) {
  const url = URL.createObjectURL(file);
  const free = () => URL.revokeObjectURL(url);
  const image = el("img", {
    alt,
    load: free,
    error: () => {
      free();
      image.replaceWith(
        el(
          "p",
          { class: "hint unshown" },
          "This browser cannot show this file. The model may be able to read it.",
        ),
      );
    },
  });
  image.src = url;
  return image;
}

/** A player of a sound file. */
export function player(file) {
  const audio = el("audio", { controls: true, "aria-label": `Player of ${file.name}` });
  audio.src = URL.createObjectURL(file);
  return audio;
}

/** A file from the base64 in a result. */
export function fileOf(base64, name, type) {
  const data = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new File([data], name, { type });
}
