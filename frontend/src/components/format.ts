/** Numbers, times and sizes as a person reads them. Every time of the API is UTC; the page shows the viewer's zone. */

/** Five significant digits, no needless zeros, exponents only where they help. */
export function formatNumber(value: number, digits = 5): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) {
    return value
      .toExponential(digits - 2)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  }
  return Number(value.toPrecision(digits)).toString();
}

export function formatValue(value: unknown): string {
  if (typeof value === "number") return formatNumber(value);
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** Coarse on purpose: an estimate that shows seconds claims to know them. */
export function formatEstimate(seconds: number): string {
  if (seconds < 10) return "a few seconds";
  if (seconds < 90) return `${Math.ceil(seconds / 10) * 10} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} days`;
}

/** An estimate as it is spoken of: "a few seconds" are no more certain than "about 40 s". */
export function formatAbout(seconds: number): string {
  return seconds < 10 ? formatEstimate(seconds) : `about ${formatEstimate(seconds)}`;
}

/** Hours, as usage is counted; what is too little for that, in minutes or seconds. */
export function formatHours(seconds: number): string {
  if (seconds === 0) return "0 h";
  if (seconds < 360) return formatDuration(seconds);
  const hours = seconds / 3600;
  return `${hours < 100 ? hours.toPrecision(3) : Math.round(hours).toLocaleString("en-US")} h`;
}

/** Of which trials the files are kept. */
export const keptWords = (rule: { best?: number; last?: number } | null): string =>
  rule
    ? `the best ${rule.best ?? 1}${rule.last === 0 ? "" : ` and the last ${rule.last ?? 1}`}`
    : "all trials";

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 99.5 ? Math.round(size) : size.toPrecision(2)} ${units[unit]}`;
}

const sameDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const otherDay = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const otherYear = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

export function formatMoment(iso: string, now = new Date()): string {
  const moment = new Date(iso);
  if (moment.toDateString() === now.toDateString()) return sameDay.format(moment);
  return (moment.getFullYear() === now.getFullYear() ? otherDay : otherYear).format(moment);
}

export const formatUtc = (iso: string): string =>
  `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;

/** Job and trial states in words: "EarlyStopped" -> "Early stopped". */
export const stateWords = (state: string): string => (state === "EarlyStopped" ? "Early stopped" : state);
