// Colours of classes, the same in light and dark. A colour is never the only sign: the name is written next to it or on it.

const CLASSES = [
  "#c2410c",
  "#2563eb",
  "#0f8a5f",
  "#a21caf",
  "#b7791f",
  "#0e7490",
  "#be123c",
  "#4d7c0f",
  "#6d28d9",
  "#64748b",
];

/** The colour of a class. */
export function colour(index) {
  return CLASSES[index % CLASSES.length];
}

/** [red, green, blue] of "#rrggbb". */
export function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

/** Relative luminance, 0 to 1. Source: WCAG 2.2. */
export function luminance(hex) {
  const [r, g, b] = rgb(hex).map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Black or white, whichever reads better on a colour. */
export function ink(hex) {
  const light = luminance(hex) + 0.05;
  return 1.05 / light >= light / 0.05 ? "#ffffff" : "#000000";
}

/** Colours in the order in which names first appear: always the same one for a name within one result. */
export function byName() {
  const indices = new Map();
  return (name) => {
    if (!indices.has(name)) indices.set(name, indices.size);
    return colour(indices.get(name));
  };
}
