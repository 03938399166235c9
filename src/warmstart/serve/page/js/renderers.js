// How results are shown: the first renderer that matches a model's result, by the fields of its JSON Schema.
//
// A renderer is `{matches, render, several, hint, code}`:
//   matches(model)           whether its results have the shape that `render` needs
//   render(result, request)  `{headline, status, node}`; with `several` the first argument is a list of results
//   several                  whether results are shown together, and several inputs are asked for
//   showsInput               whether the result shows the chosen picture, which the form then leaves out
//   hint                     for the field of the input
//   code                     the lines of the Python example that use the result

import { showBoxes } from "./boxes.js";
import { showForecasts } from "./forecast.js";
import { showRecord } from "./generic.js";
import { showMask } from "./masks.js";
import { showSound } from "./sound.js";
import {
  showAnswer,
  showClasses,
  showEntities,
  showFilledMasks,
  showGeneration,
  showSimilarities,
} from "./text.js";
import { showTranscript } from "./transcript.js";

const BOX = ["label", "index", "score", "xmin", "ymin", "xmax", "ymax"];
const SPAN = ["text", "start", "end", "score"];

/** Whether a result has fields, whose records, if they are lists of them, have fields in turn. */
const has = (fields) => (model) =>
  Object.entries(fields).every(([name, inner]) => {
    let schema = model.result_schema.properties?.[name];
    while (schema?.items) schema = schema.items;
    return schema && inner.every((field) => field in (schema.properties ?? {}));
  });
const takes = (media) => (model) => model.accepts.includes(media);
const both = (first, second) => (model) => first(model) && second(model);

export const RENDERERS = [
  { matches: both(takes("image/"), has({ boxes: BOX, size: [] })), render: showBoxes, showsInput: true },
  {
    matches: both(takes("image/"), has({ mask_png: [], areas: ["label", "index", "share"], size: [] })),
    render: showMask,
    showsInput: true,
  },
  {
    matches: has({ timestamps: [], mean: [], quantiles: [], history: ["timestamps", "values"] }),
    render: showForecasts,
    several: true,
    code: ["print(result[0].to_frame())"],
  },
  {
    matches: has({ audio_wav: [], sample_rate: [], seconds: [] }),
    render: showSound,
    code: ['result.save("sound.wav")'],
  },
  {
    matches: both(takes("audio/"), has({ segments: SPAN, words: SPAN, duration: [] })),
    render: showTranscript,
  },
  { matches: both(takes("text/"), has({ entities: ["label", ...SPAN] })), render: showEntities },
  {
    matches: has({ masks: ["label", "score"], text: [] }),
    render: showFilledMasks,
    hint: "Write [MASK] where a word is missing.",
  },
  {
    matches: both(takes("text/"), has({ vector: [] })),
    render: showSimilarities,
    several: true,
    code: ["print(result[0].vector @ result[1].vector)"],
  },
  { matches: has({ text: [], start: [], end: [], score: [], others: SPAN }), render: showAnswer },
  { matches: has({ text: [], finish: [], tokens: [] }), render: showGeneration },
  { matches: has({ predictions: ["label", "score"] }), render: showClasses },
  { matches: () => true, render: showRecord },
];

/** The renderer of a model's results. */
export function rendererOf(model) {
  return RENDERERS.find(({ matches }) => matches(model));
}
