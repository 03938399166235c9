// Previews of files: pictures and sound.

import { shown } from "./api.js";
import { el } from "./dom.js";

/** A file as an `img`; the server makes a preview of one that the browser cannot show, such as a TIFF. */
export function pictureOf(file, alt) {
  const image = el("img", { alt });
  show(image, file, async () => {
    try {
      show(image, await shown(file), () => image.replaceWith(unshown()));
    } catch {
      image.replaceWith(unshown());
    }
  });
  return image;
}

function show(image, blob, otherwise) {
  const url = URL.createObjectURL(blob);
  const free = () => URL.revokeObjectURL(url);
  image.onload = free;
  image.onerror = () => {
    free();
    otherwise();
  };
  image.src = url;
}

function unshown() {
  return el(
    "p",
    { class: "hint unshown" },
    "This file cannot be shown here. The model may be able to read it.",
  );
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
