// A picture file on the page.

import { el } from "./dom.js";

/** A file as an `img`; where the browser cannot show it, words in its place. */
export function shownPicture(file, alt) {
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
          "This browser cannot show this file. If it is a picture, the model may read it all the same.",
        ),
      );
    },
  });
  image.src = url;
  return image;
}
