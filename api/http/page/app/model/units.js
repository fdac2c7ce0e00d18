// Money, times and counts as people read them.

/** US dollars to a cent, and below one cent to its hundredth; null is unknown. */
export function money(dollars) {
  if (dollars === null || dollars === undefined) return "cost unknown";
  return `$${dollars.toFixed(dollars > 0 && dollars < 0.01 ? 4 : 2)}`;
}

/** A length of time from milliseconds. */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return join(`${minutes} min`, Math.floor(seconds % 60), "s");
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? join(`${hours} h`, minutes % 60, "min") : `${Math.floor(hours / 24)} d`;
}

function join(whole, rest, unit) {
  return rest ? `${whole} ${rest} ${unit}` : whole;
}

/** How long ago a moment (RFC 3339) was, in one short word. */
export function age(time, now) {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 10) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export function plural(count, noun, several = `${noun}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : several}`;
}

/** A count of tokens, short. */
export function tokens(count) {
  if (count < 1000) return String(count);
  if (count < 1e6) return `${(count / 1000).toFixed(count < 1e4 ? 1 : 0)}k`;
  return `${(count / 1e6).toFixed(1)}M`;
}

/** All tokens of a usage, read from cache or not. */
export function allTokens(usage) {
  return ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]
    .reduce((sum, name) => sum + (usage?.[name] ?? 0), 0);
}

/** The local time of a moment, for a tooltip. */
export function moment(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString();
}
