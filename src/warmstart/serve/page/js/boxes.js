// Object detection: boxes drawn over the photo, and as a list.

import { colour, ink } from "./colours.js";
import { counted, el, isolated, percent } from "./dom.js";
import { pictureOf } from "./preview.js";

const CROWD = 12; // more boxes than that carry their number only; the list has the names, and scrolls

export function showBoxes({ boxes, size: [width, height] }, { file }) {
  const image = pictureOf(file, `${file.name} with ${counted(boxes.length, "box", "boxes")} drawn over it`);
  const drawn = boxes.map((box, index) => rectangle(box, index, width, height, boxes.length > CROWD));
  const stage = el("div", { class: "stage" }, image, drawn.slice().reverse()); // the best on top
  stage.style.setProperty("aspect-ratio", `${width} / ${height}`);
  const node = el(
    "div",
    {},
    stage,
    boxes.length
      ? listed(boxes, drawn, stage)
      : el(
          "p",
          { class: "hint" },
          "No box has a high enough score. Lower it in the options, or choose another photo.",
        ),
  );
  return { headline: counts(boxes) || "Nothing detected", node };
}

function rectangle(box, index, width, height, crowded) {
  const shade = colour(box.index);
  const share = (value, all) => `${(100 * value) / all}%`;
  const text = crowded ? String(index + 1) : `${isolated(box.label)} ${percent(box.score)}`;
  const inside = box.ymin < 0.06 * height; // no room for the name above the box
  return el(
    "div",
    {
      class: inside ? "box inside" : "box",
      "aria-hidden": "true",
      style: {
        left: share(box.xmin, width),
        top: share(box.ymin, height),
        "border-color": shade,
        width: share(box.xmax - box.xmin, width),
        height: share(box.ymax - box.ymin, height),
      },
    },
    el("span", { class: "tag", style: { background: shade, color: ink(shade) } }, text),
  );
}

function listed(boxes, drawn, stage) {
  const long = boxes.length > CROWD;
  return el(
    "ol",
    {
      class: long ? "listing long" : "listing",
      tabindex: long && "0",
      "aria-label": "Boxes by class, best first",
    },
    byClass(boxes).map(({ box, index }) => {
      const light = (on) => () => {
        stage.classList.toggle("picking", on);
        drawn[index].classList.toggle("picked-out", on);
      };
      const size = `${Math.round(box.xmax - box.xmin)} × ${Math.round(box.ymax - box.ymin)} px`;
      return el(
        "li",
        {
          tabindex: "0",
          mouseenter: light(true),
          mouseleave: (event) => document.activeElement !== event.currentTarget && light(false)(),
          focus: light(true),
          blur: light(false),
          click: (event) => event.currentTarget.focus(), // a tap does not focus everywhere
        },
        el(
          "span",
          { class: "number", style: { background: colour(box.index), color: ink(colour(box.index)) } },
          String(index + 1),
        ),
        el("bdi", { class: "bar-label" }, box.label),
        el("span", { class: "note" }, size),
        el("span", { class: "bar-value" }, percent(box.score)),
      );
    }),
  );
}

/** Label -> its boxes as `{ box, index }`, best first; the class with most boxes comes first. */
function classes(boxes) {
  const groups = new Map();
  boxes.forEach((box, index) => groups.set(box.label, [...(groups.get(box.label) ?? []), { box, index }]));
  return [...groups].sort((a, b) => b[1].length - a[1].length);
}

/** Boxes with their indices, those of one class together. */
export function byClass(boxes) {
  return classes(boxes).flatMap(([, group]) => group);
}

/** "2 cat, 1 dog", most first. */
export function counts(boxes) {
  return classes(boxes)
    .map(([label, group]) => `${group.length} ${isolated(label)}`)
    .join(", ");
}
