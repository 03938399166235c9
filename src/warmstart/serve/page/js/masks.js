// Image segmentation: the classes of the pixels drawn over the photo, and the share of each.

import { colour, ink, rgb } from "./colours.js";
import { el, freshId, isolated, percent } from "./dom.js";
import { fileOf, pictureOf } from "./preview.js";

const TAGS = 6; // names written on the photo, of the largest classes
const LEAST = 0.01; // share of the photo, for a name on it

export function showMask(answer, { file }) {
  const [width, height] = answer.size;
  const canvas = el("canvas", { width, height, "aria-hidden": "true" });
  const names = answer.areas.map((area) => area.label).join(", ");
  const stage = el(
    "div",
    { class: "stage" },
    pictureOf(file, `${file.name} with its classes coloured: ${names}`),
    canvas,
  );
  stage.style.setProperty("aspect-ratio", `${width} / ${height}`);
  const hidden = new Set(
    answer.areas
      .filter((area) => area.index === 0 && /^background$/i.test(area.label))
      .map((area) => area.index),
  );
  // What was looked for comes first, the background last.
  const ordered = [...answer.areas].sort((a, b) => hidden.has(a.index) - hidden.has(b.index));
  let map = null;
  const paint = () => map && draw(canvas, map, hidden);
  const opacity = el("input", {
    type: "range",
    id: freshId("opacity"),
    min: 0,
    max: 100,
    value: 55,
    input: () => canvas.style.setProperty("opacity", opacity.value / 100),
  });
  canvas.style.setProperty("opacity", 0.55);
  const list = el(
    "ul",
    { class: "listing", "aria-label": "Classes, largest first, the background last" },
    ordered.map((area) => {
      const id = freshId("class");
      const toggle = () => {
        if (box.checked) hidden.delete(area.index);
        else hidden.add(area.index);
        paint();
        tags.forEach(({ index, node }) => (node.hidden = hidden.has(index)));
      };
      const box = el("input", { type: "checkbox", id, checked: !hidden.has(area.index), change: toggle });
      return el(
        "li",
        {},
        box,
        el("span", { class: "swatch", style: { background: colour(area.index) } }),
        el("label", { for: id, class: "bar-label" }, el("bdi", {}, area.label)),
        el("span", { class: "bar-value" }, percent(area.share)),
      );
    }),
  );
  let tags = [];
  indexMap(answer.mask_png, width, height).then((indices) => {
    map = indices;
    if (!map) return;
    paint();
    tags = answer.areas
      .filter((area) => area.share >= LEAST)
      .slice(0, TAGS)
      .map((area) => ({
        index: area.index,
        node: tag(area, anchor(map, area.index, width, height), width, height),
      }));
    tags.forEach(({ index, node }) => (node.hidden = hidden.has(index)));
    stage.append(...tags.map(({ node }) => node));
  });
  const node = el(
    "div",
    {},
    stage,
    el("div", { class: "slider" }, el("label", { for: opacity.id }, "Opacity"), opacity),
    list,
  );
  const headline = ordered.map((area) => `${isolated(area.label)} ${percent(area.share)}`).join(", ");
  return { headline, node };
}

/** The index of each pixel's class, from a PNG in Pascal VOC's colours; null of a model with too many classes for one. */
async function indexMap(base64, width, height) {
  if (!base64) return null;
  const image = await createImageBitmap(fileOf(base64, "mask.png", "image/png"), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const indices = vocIndices();
  const map = new Uint8Array(width * height);
  for (let n = 0; n < map.length; n += 1)
    map[n] = indices.get((data[4 * n] << 16) | (data[4 * n + 1] << 8) | data[4 * n + 2]) ?? 0;
  return map;
}

/** Colour -> index. Pascal VOC's colours: the bits of the index go to red, green and blue in turn. */
export function vocIndices() {
  const indices = new Map();
  for (let index = 0; index < 256; index += 1) {
    const channels = [0, 0, 0];
    for (let bit = 0; bit < 8; bit += 1) {
      for (let channel = 0; channel < 3; channel += 1)
        channels[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit);
    }
    indices.set((channels[0] << 16) | (channels[1] << 8) | channels[2], index);
  }
  return indices;
}

function draw(canvas, map, hidden) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const shades = Array.from({ length: 256 }, (_, index) =>
    hidden.has(index) ? [0, 0, 0, 0] : [...rgb(colour(index)), 255],
  );
  for (let n = 0; n < map.length; n += 1) picture.data.set(shades[map[n]], 4 * n);
  context.putImageData(picture, 0, 0);
}

/** The pixel of a class that is nearest to its centre, where its name is written. */
export function anchor(map, index, width, height) {
  let [x, y, count] = [0, 0, 0];
  const step = Math.max(1, Math.floor(Math.sqrt((width * height) / 250_000))); // enough of a large picture
  const each = (visit) => {
    for (let row = 0; row < height; row += step) {
      for (let column = 0; column < width; column += step)
        if (map[row * width + column] === index) visit(column, row);
    }
  };
  each((column, row) => {
    x += column;
    y += row;
    count += 1;
  });
  let [best, nearest] = [Infinity, [x / count, y / count]];
  const middle = nearest;
  each((column, row) => {
    const far = (column - middle[0]) ** 2 + (row - middle[1]) ** 2;
    if (far < best) [best, nearest] = [far, [column, row]];
  });
  return nearest;
}

function tag(area, [x, y], width, height) {
  const shade = colour(area.index);
  return el(
    "span",
    {
      class: "tag floating",
      "aria-hidden": "true",
      style: {
        left: `${(100 * x) / width}%`,
        top: `${(100 * y) / height}%`,
        background: shade,
        color: ink(shade),
      },
    },
    area.label,
  );
}
