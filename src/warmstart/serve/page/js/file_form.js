// The form of a model that takes files: photos, recordings, or any others.

import { here } from "./api.js";
import { decode, wav } from "./audio.js";
import { Problem, anyOf, el } from "./dom.js";
import { fileField } from "./fields.js";
import { pictureOf, player } from "./preview.js";
import { RATE, recordButton } from "./recorder.js";

const FORMATS = {
  jpg: "JPEG",
  jpe: "JPEG",
  jfif: "JPEG",
  tif: "TIFF",
  dib: "BMP",
  webp: "WebP",
  aif: "AIFF",
  oga: "OGG",
  opus: "Opus",
}; // suffixes that are not the name of their format

/** Whether a model takes files of a class of media types, such as "image/". */
function takes(model, media) {
  return model.accepts.includes(media);
}

/** @param renderer of the model's results; where it shows the picture, the form does not. */
export function fileForm(model, renderer, run) {
  const noun = model.input_noun;
  const sound = takes(model, "audio/");
  const formats = [
    ...new Set(model.suffixes.map((suffix) => FORMATS[suffix.slice(1)] ?? suffix.slice(1).toUpperCase())),
  ];
  const field = fileField({
    label: matchMedia("(pointer: coarse)").matches
      ? `${takes(model, "image/") ? "Take or choose" : "Choose"} a ${noun}`
      : `Drop a ${noun} here, or choose one`,
    hint: `${anyOf(formats)}.${takes(model, "image/") ? " Pasting works too." : ""}`,
    accept: [...model.accepts.map((media) => (media.endsWith("/") ? `${media}*` : media)), sound && "video/*"]
      .filter(Boolean)
      .join(","),
    refusal: (file) => {
      const right = fits(file, model) || (sound && file.type.startsWith("video/"));
      return right
        ? null
        : `${file.name} is not a ${noun}. Choose a file of one of these formats: ${formats.join(", ")}.`;
    },
    preview: renderer.showsInput ? undefined : previewOf(model),
    chosen: () => run(),
  });
  return {
    node: el("div", {}, field.node, sound && recordButton((file) => field.take(file, "recorded"))),
    take: field.take,
    runsOnChoice: true,
    use: async (example) => field.take(await fetchExample(example), "chosen as example"),
    read: async () => {
      const file = field.read(noun);
      return { file: sound && !hasSuffix(file, model) ? await decoded(file) : file };
    },
  };
}

function previewOf(model) {
  if (takes(model, "image/"))
    return (file) => pictureOf(file, `The chosen ${model.input_noun}, ${file.name}`);
  return takes(model, "audio/") ? player : undefined;
}

function hasSuffix(file, { suffixes }) {
  return suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix));
}

function fits(file, model) {
  if (!model.accepts.length) return true;
  if (!file.type) return hasSuffix(file, model);
  return model.accepts.some((media) =>
    media.endsWith("/") ? file.type.startsWith(media) : file.type === media,
  );
}

/** A recording that the server cannot decode, as a WAV file. */
async function decoded(file) {
  const { samples, rate } = await decode(file, RATE);
  return new File([wav(samples, rate)], file.name.replace(/\.\w+$/, ".wav"), { type: "audio/wav" });
}

/** The file of an example of the server. */
export async function fetchExample({ file }) {
  const response = await fetch(`${here}/${file}`);
  if (!response.ok) throw new Problem("The server does not have the file of this example.");
  const data = await response.blob();
  return new File([data], file.split("/").at(-1), { type: data.type });
}
