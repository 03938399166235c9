// Pictures in: classes as bars; boxes and masks have files of their own.

import { showBoxes } from "./boxes.js";
import { Problem, percent } from "./dom.js";
import { bars, fileField } from "./fields.js";
import { showMasks } from "./masks.js";
import { shownPicture } from "./shown.js";

const PICTURES = /\.(jpe?g|png|gif|bmp|webp|tiff?|ppm|pgm|avif|heic)$/i;
const PHOTOS = [
  ["cat", "cat.jpg"],
  ["espresso", "espresso.jpg"],
  ["rocket", "rocket.jpg"],
];

function looksWrong(file) {
  if (file.type.startsWith("image/") || (!file.type && PICTURES.test(file.name))) return null;
  return `${file.name} is not a picture. Choose a JPEG, PNG, WebP, GIF, BMP or TIFF file.`;
}

function open(run, { options, show }) {
  const field = fileField({
    label: "Drop a picture here, or choose one",
    hint: "JPEG, PNG, WebP, GIF, BMP or TIFF. Pasting works too.",
    accept: "image/*",
    accepts: looksWrong,
    preview: (file) => shownPicture(file, `The chosen picture, ${file.name}`),
    chosen: () => run(),
  });
  return {
    form: field.node,
    options,
    show,
    takeFile: field.take,
    examples: PHOTOS.map(([label, name]) => ({
      label,
      picture: address(name),
      use: async () => field.take(await example(name), "taken as example"),
    })),
    read: () => ({ file: field.read("picture"), kind: "picture" }),
  };
}

const address = (name) => new URL(`../examples/${name}`, import.meta.url).href;

async function example(name) {
  const answer = await fetch(address(name));
  if (!answer.ok) throw new Problem("The example is missing on this server.");
  return new File([await answer.blob()], name, { type: "image/jpeg" });
}

function classify(model, run) {
  const options = [{ name: "top_k", label: "Classes to show", kind: "number", min: 1, max: 1000, step: 1, value: 5 }];
  return { ...open(run, { options, show: showClasses }), verb: "Classify" };
}

function showClasses({ predictions }) {
  const [best] = predictions;
  return { said: `${best.label}, ${percent(best.score)}`, node: bars(predictions, { format: percent }) };
}

function detect(model, run) {
  const options = [
    {
      name: "threshold",
      label: "Least score of a box",
      kind: "number",
      min: 0,
      max: 1,
      step: "any",
      value: "",
      hint: "0 to 1. Empty: what the model was made for.",
    },
  ];
  return { ...open(run, { options, show: showBoxes }), verb: "Find" };
}

function segment(model, run) {
  return { ...open(run, { options: [], show: showMasks }), verb: "Segment" };
}

export const TASKS = { "image-classification": classify, "object-detection": detect, "image-segmentation": segment };
