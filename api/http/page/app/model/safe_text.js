// Text that others wrote, made visible as it is: nothing in it can reorder or hide what stands beside it.

/** All that is not drawn, but for what joins letters and what makes a sign an emoji. */
const HIDDEN = /(?![\t\n\u200c\u200d\ufe0e\ufe0f])[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu;
const LINE_END = /\r\n|[\r\n\u2028\u2029]/g;

/** Text of several lines: what is invisible or changes the direction is shown by its code point. */
export function safeText(text) {
  return String(text ?? "").replace(/\r\n/g, "\n").replace(HIDDEN, showCode);
}

/** Text of one line: line ends are shown, too. `limit` is its length in characters. */
export function safeLine(text, limit = 400) {
  const whole = String(text ?? "");
  const cut = whole.length > limit ? `${whole.slice(0, limit - 1)}…` : whole;
  return cut.replace(LINE_END, " ⏎ ").replace(/\t/g, " ").replace(HIDDEN, showCode);
}

/** The first line that says something. */
export function firstLine(text, limit = 200) {
  const line = String(text ?? "").slice(0, 4000).split(/[\r\n]/).find((each) => each.trim());
  return safeLine((line ?? "").trim(), limit);
}

/** An address that may stand behind a link, or null. */
export function safeAddress(address) {
  try {
    const url = new URL(String(address));
    return ["https:", "http:"].includes(url.protocol) && !url.username ? url.href : null;
  } catch {
    return null;
  }
}

function showCode(character) {
  return `‹${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`;
}
