// The change by file.

import { html, useEffect, useState } from "../../htm-preact/preact-standalone.js";
import { safeLine } from "../model/safe_text.js";
import { parseDiff } from "../model/unified_diff.js";
import { plural } from "../model/units.js";
import { ProblemNote } from "./basics.js";
import { Hunk } from "./hunk.js";

const AT_ONCE = 400;
const OPEN_LINES = 250;
const MOST_OPEN = 20;

/** `digest` changes with the change; then it is read again. */
export function ChangeView({ feed, digest }) {
  const [files, setFiles] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    let there = true;
    setProblem(null);
    feed.diff().then((text) => there && setFiles(parseDiff(text)), (refused) => there && setProblem(refused));
    return () => { there = false; };
  }, [feed, digest]);
  if (problem) return html`<${ProblemNote} problem=${problem} />`;
  if (!files) return html`<p class="empty" role="status">Loading the change …</p>`;
  if (!files.length) return html`<p class="empty">There is no change yet.</p>`;
  const count = (name) => files.reduce((sum, file) => sum + file[name], 0);
  return html`<div class="change">
    <p class="change-head">${plural(files.length, "file")}, <span class="plus">+${count("added")}</span> <span class="minus">−${count("removed")}</span>
      <a href=${`${feed.path}/diff`} download>Download</a></p>
    ${files.map((file, at) => html`<${FileDiff} key=${file.path} file=${file} opens=${at < MOST_OPEN && file.lines.length <= OPEN_LINES} />`)}
  </div>`;
}

function FileDiff({ file, opens }) {
  const [open, setOpen] = useState(opens);
  const [shown, setShown] = useState(AT_ONCE);
  const more = file.lines.length - shown;
  return html`<section class="file" aria-label=${safeLine(file.path)}>
    <h2><button type="button" class="fold-head" data-row aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      <span class="caret" aria-hidden="true"></span>
      <span class="label mono">${file.from && html`<span class="dim">${safeLine(file.from)} → </span>`}${safeLine(file.path)}</span>
      ${file.status !== "changed" && html`<span class="word idle">${file.status}</span>`}
      ${file.binary ? html`<span class="dim">binary</span>` : html`<span class="counts"><span class="plus">+${file.added}</span> <span class="minus">−${file.removed}</span></span>`}
    </button></h2>
    ${open && file.lines.length > 0 && html`<${Hunk} lines=${file.lines.slice(0, shown)} numbered=${true} label=${`Change of ${safeLine(file.path)}`} />`}
    ${open && more > 0 && html`<button type="button" class="button small quiet" onClick=${() => setShown(shown + 5 * AT_ONCE)}>
      Show more: ${plural(more, "line")} left</button>`}
  </section>`;
}
