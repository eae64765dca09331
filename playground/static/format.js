// Dates, times, sizes and numbers, as the person's own language writes them. Pure.

const DAY_MS = 86_400_000;

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "2-digit", year: "numeric" });
const LONG_DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const STYLES = {
  t: TIME,
  T: new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }),
  d: DATE,
  D: LONG_DATE,
  f: new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" }),
  F: FULL,
};

const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

export function clock(date) {
  return TIME.format(date);
}

export function longDate(date) {
  return LONG_DATE.format(date);
}

export function fullTime(date) {
  return valid(date) ? FULL.format(date) : "an unknown time";
}

/** "Today at 12:31", "Yesterday at 09:00" or "11/11/2026 09:00". */
export function when(date, now = new Date()) {
  if (!valid(date)) return "";
  if (sameDay(date, now)) return `Today at ${clock(date)}`;
  if (sameDay(date, new Date(now.getTime() - DAY_MS))) return `Yesterday at ${clock(date)}`;
  return `${DATE.format(date)} ${clock(date)}`;
}

export function sameDay(one, other) {
  return one.toDateString() === other.toDateString();
}

/** A <t:seconds:style> of Discord's markdown. */
export function timestamp(seconds, style, now = new Date()) {
  const date = new Date(seconds * 1000);
  if (!valid(date)) return "an impossible time";
  if (style === "R") return relative((date.getTime() - now.getTime()) / 1000);
  return (STYLES[style] ?? STYLES.f).format(date);
}

function relative(seconds) {
  const [unit, length] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? STEPS.at(-1);
  return RELATIVE.format(Math.round(seconds / length), unit);
}

function valid(date) {
  return Number.isFinite(date.getTime());
}

export function fileSize(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(2)} MB`;
}

/** "Mara", "Mara and Jun", "Mara, Jun and Atelier". */
export function together(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
