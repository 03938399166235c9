// Tables of series: read well enough to draw what was, beside what the server says will be.

/** Rows of a CSV text, with quotes; commas, semicolons or tabs. */
export function rows(text) {
  const first = text.slice(0, text.search(/\n|$/));
  const comma = [",", ";", "\t"].reduce(
    (best, mark) => (first.split(mark).length > first.split(best).length ? mark : best),
    ",",
  );
  const found = [[]];
  let [cell, quoted] = ["", false];
  const close = () => {
    found.at(-1).push(cell);
    cell = "";
  };
  for (let n = 0; n < text.length; n += 1) {
    const letter = text[n];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[n + 1] === '"') {
        cell += '"';
        n += 1;
      } else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === comma) close();
    else if (letter === "\n") {
      close();
      found.push([]);
    } else if (letter !== "\r") cell += letter;
  }
  close();
  return found.filter((row) => row.length > 1 || row[0].trim());
}

const TIMES = /^(timestamp|time|date|datetime|ds|index|)$/i;
const ITEMS = /^(item_id|item|id|series|unique_id|series_id)$/i;
const TARGETS = /^(target|value|y)$/i;

/**
 * The series of a table: name -> `{times, values}`; times are milliseconds, or null where there are none.
 * Nothing is found (an empty map) where the table is not one that this simple reading understands.
 */
export function series(text, { target, item, timestamp } = {}) {
  const [head, ...body] = rows(text);
  const found = new Map();
  if (!head || !body.length) return found;
  const find = (name, pattern) => (name ? head.indexOf(name) : head.findIndex((cell) => pattern.test(cell.trim())));
  let time = find(timestamp, TIMES);
  if (time < 0 && Number.isNaN(Number(body[0][0])) && !Number.isNaN(Date.parse(body[0][0]))) time = 0;
  const names = find(item, ITEMS);
  const value = find(target, TARGETS);
  const numbers = head.map((_, place) => place).filter((place) => place !== time && place !== names);
  const targets = names >= 0 || target ? [value >= 0 ? value : numbers[0]] : numbers;
  for (const row of body) {
    const at = time >= 0 ? utc(row[time]) : null;
    for (const place of targets) {
      const name = names >= 0 ? row[names] : head[place].trim();
      if (!found.has(name)) found.set(name, []);
      const number = row[place]?.trim() ? Number(row[place]) : NaN;
      found.get(name).push([at, number]);
    }
  }
  for (const [name, points] of found) {
    if (time >= 0) points.sort((a, b) => a[0] - b[0]);
    found.set(name, { times: time >= 0 ? points.map(([at]) => at) : null, values: points.map(([, number]) => number) });
  }
  return found;
}

/** Milliseconds of a timestamp; one without a zone is taken as UTC, so that no hour is missing or doubled in spring. */
export function utc(text) {
  const plain = String(text).trim().replace(" ", "T");
  return Date.parse(/^\d{4}-\d\d-\d\d(T[\d:.]+)?$/.test(plain) && plain.includes("T") ? `${plain}Z` : plain);
}
