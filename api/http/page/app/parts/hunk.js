// Coloured lines of an edit or of a diff. The sign stands before each line: colour is not alone.

import { html } from "../../htm-preact/preact-standalone.js";
import { safeText } from "../model/safe_text.js";

const LONGEST_LINE = 2000;
const KINDS = { "+": "added", "-": "removed", "@": "head", "\\": "remark", " ": "" };

/** `lines` are {sign, text} and, where `numbered`, old and now. */
export function Hunk({ lines, numbered = false, label }) {
  return html`<div class=${`hunk ${numbered ? "numbered" : ""}`} role="region" aria-label=${label} tabindex="0">
    <div class="hunk-lines">${lines.map((line) => html`<div class=${`line ${KINDS[line.sign]}`}>
      ${numbered && html`<span class="number">${line.old ?? ""}</span><span class="number">${line.now ?? ""}</span>`}
      <span class="sign">${line.sign === "@" || line.sign === "\\" ? " " : line.sign}</span>
      <span class="code">${cut(line.text)}</span>
    </div>`)}</div>
  </div>`;
}

function cut(text) {
  const shown = text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)} … (${text.length} characters)` : text;
  return safeText(shown) || " ";
}
