// The end of a series and its forecast: observed values, the median, and the 50 % and 80 % intervals, as SVG.

import { el, short, svg } from "./dom.js";

const HEIGHT = 320;
const EDGE = { left: 56, right: 14, top: 14, bottom: 30 };

/** Round numbers that cover `low` to `high`, about `count` of them. */
export function ticks(low, high, count = 5) {
  const rough = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}

/** A date for an axis, with the time only where steps are shorter than a day; without dates, the number of a step. */
export function dateText(at, step) {
  if (step < 1000) return String(at);
  const options =
    step < 86_400_000
      ? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false }
      : step < 27 * 86_400_000
        ? { year: "numeric", month: "short", day: "numeric" }
        : { year: "numeric", month: "short" };
  return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }).format(at);
}

/**
 * Milliseconds of a timestamp, or the number of a step of a series without timestamps. A timestamp without a zone
 * is taken as UTC, so that no hour is missing or doubled in spring.
 */
export function utc(text) {
  if (/^-?\d+$/.test(text)) return Number(text);
  return Date.parse(/^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text) ? `${text}Z` : text);
}

/** From one of the last two times to the other. */
export function stepOf(times) {
  return times.length > 1 ? times.at(-1) - times.at(-2) : 86_400_000;
}

const HOUR = 3_600_000;
const SEASONS = [
  // steps of at least so many milliseconds, and the steps of their seasons, longest first
  [360 * 24 * HOUR, () => []],
  [85 * 24 * HOUR, () => [4]],
  [27 * 24 * HOUR, () => [12]],
  [7 * 24 * HOUR, () => [52]],
  [24 * HOUR, () => [7]],
  [1000, (step) => [(7 * 24 * HOUR) / step, (24 * HOUR) / step].map(Math.round)],
];

/**
 * What was observed one season before each of `count` steps: a week, day or year by the length of a step; null where
 * there is no season, or less of one was observed.
 */
export function lastSeason(values, step, count) {
  const lengths = SEASONS.find(([least]) => step >= least)?.[1](step) ?? [];
  const length = lengths.find((one) => one > 1 && one <= values.length);
  if (!length) return null;
  const season = values.slice(-length);
  return Array.from({ length: count }, (_, n) => season[n % length]);
}

/**
 * The chart of one forecast, which redraws itself when its width changes.
 *
 * @param past `{times, values}` in order; NaN where nothing was observed.
 * @param future `{times, quantiles: {level: values}, mean}`
 */
export function chart(name, past, future) {
  const count = future.times.length;
  const step = stepOf([...past.times, ...future.times]);
  const level = (q) => future.quantiles[q];
  const middle = level("0.5") ?? future.mean;
  const before = lastSeason(past.values, step, count);
  const bands = [
    ["0.1", "0.9", "band wide"],
    ["0.25", "0.75", "band"],
  ].filter(([low, high]) => level(low) && level(high));
  const drawing = svg("svg", { "aria-hidden": "true", height: HEIGHT });
  const readout = el("output", { class: "readout" });
  const holder = el(
    "div",
    {
      class: "chart",
      tabindex: "0",
      role: "slider",
      "aria-label": `Forecast of ${name}, step`,
      "aria-valuemin": 1,
      "aria-valuemax": count,
    },
    drawing,
  );
  let [scale, cursor] = [null, 0];

  function paint() {
    const width = Math.max(holder.clientWidth, 240);
    const inner = { width: width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
    const values = [
      ...past.values,
      ...middle,
      ...(before ?? []),
      ...bands.flatMap(([low, high]) => [...level(low), ...level(high)]),
    ].filter(Number.isFinite);
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = 0.06 * (high - low || Math.abs(high) || 1);
    [low, high] = [low - margin, high + margin];
    const [first, last] = [past.times[0] ?? future.times[0], future.times.at(-1)];
    scale = {
      x: (at) => EDGE.left + (inner.width * (at - first)) / (last - first || 1),
      y: (value) => EDGE.top + (inner.height * (high - value)) / (high - low),
      first,
      last,
      width,
    };
    const grid = ticks(low, high).map((value) =>
      svg(
        "g",
        {},
        svg("line", {
          class: "grid",
          x1: EDGE.left,
          x2: width - EDGE.right,
          y1: scale.y(value),
          y2: scale.y(value),
        }),
        svg(
          "text",
          { class: "tick", x: EDGE.left - 8, y: scale.y(value) + 4, "text-anchor": "end" },
          short(value),
        ),
      ),
    );
    const stops = Math.max(2, Math.floor(inner.width / 130));
    const dates = Array.from({ length: stops }, (_, n) => first + ((last - first) * n) / (stops - 1)).map(
      (at, n) =>
        svg(
          "text",
          {
            class: "tick",
            x: scale.x(at),
            y: HEIGHT - 8,
            "text-anchor": n === 0 ? "start" : n === stops - 1 ? "end" : "middle",
          },
          dateText(first + Math.round((at - first) / step) * step, step),
        ),
    );
    drawing.setAttribute("width", width);
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    drawing.replaceChildren(
      ...grid,
      ...dates,
      svg("line", {
        class: "now",
        x1: scale.x(future.times[0]),
        x2: scale.x(future.times[0]),
        y1: EDGE.top,
        y2: HEIGHT - EDGE.bottom,
      }),
      ...bands.map(([low, high, name]) =>
        svg("path", {
          class: name,
          d: `${line(future.times, level(high))}${line([...future.times].reverse(), [...level(low)].reverse(), "L")}Z`,
        }),
      ),
      svg("path", { class: "observed", d: line(past.times, past.values) }),
      ...(before ? [svg("path", { class: "season", d: line(future.times, before) })] : []),
      svg("path", { class: "median", d: line(future.times, middle) }),
      svg("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      svg("circle", { class: "cursor", r: 4.5 }),
    );
    point(cursor);
  }

  function line(times, values, begin = "M") {
    let pen = begin;
    return values
      .map((value, n) => {
        if (!Number.isFinite(value)) {
          pen = "M";
          return "";
        }
        const move = `${pen}${scale.x(times[n]).toFixed(1)} ${scale.y(value).toFixed(1)}`;
        pen = "L";
        return move;
      })
      .join("");
  }

  function point(index) {
    cursor = Math.max(0, Math.min(count - 1, index));
    const between = bands.length
      ? `, 80 % between ${short(level("0.1")[cursor])} and ${short(level("0.9")[cursor])}`
      : "";
    const season = Number.isFinite(before?.[cursor]) ? `; last season ${short(before[cursor])}` : "";
    const text = `${dateText(future.times[cursor], step)}: median ${short(middle[cursor])}${between}${season}`;
    readout.textContent = text;
    holder.setAttribute("aria-valuenow", cursor + 1);
    holder.setAttribute("aria-valuetext", text);
    if (!scale) return;
    const x = scale.x(future.times[cursor]);
    const [rule, dot] = drawing.querySelectorAll(".cursor");
    rule.setAttribute("x1", x);
    rule.setAttribute("x2", x);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", scale.y(middle[cursor]));
  }

  holder.addEventListener("pointermove", (event) => {
    const at =
      scale.first +
      ((event.offsetX - EDGE.left) / (scale.width - EDGE.left - EDGE.right)) * (scale.last - scale.first);
    point(Math.round((at - future.times[0]) / step));
  });
  holder.addEventListener("keydown", (event) => {
    const to = {
      ArrowRight: cursor + 1,
      ArrowUp: cursor + 1,
      ArrowLeft: cursor - 1,
      ArrowDown: cursor - 1,
      Home: 0,
      End: count - 1,
      PageUp: cursor + 10,
      PageDown: cursor - 10,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });
  new ResizeObserver(paint).observe(holder);
  point(0);
  const key = el(
    "ul",
    { class: "key", "aria-hidden": "true" },
    [
      ["observed", "observed"],
      ["median", "median"],
      ...(before ? [["season", "last season"]] : []),
      ["band", "50 % interval"],
      ["band wide", "80 % interval"],
    ].map(([line, label]) => el("li", {}, el("span", { class: `sample ${line}` }), label)),
  );
  return el("div", { class: "forecast" }, holder, readout, key);
}
