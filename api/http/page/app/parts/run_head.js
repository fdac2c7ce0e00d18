// What one must know of a run before anything else: state, proof, what is open, cost, the next act.

import { html, useState } from "../../htm-preact/preact-standalone.js";
import { firstLine, safeLine, safeText } from "../model/safe_text.js";
import { isLive, isOnForge, isResumable, repositoryName, statusSentence } from "../model/status.js";
import { age, duration, moment } from "../model/units.js";
import { address } from "../service/route.js";
import { ActButton, Away, Cost, Mark, ProblemNote, Status, useFocusOn, useNow } from "./basics.js";
import { ResumeForm } from "./resume_form.js";

export function RunHead({ run, proof, open, acts }) {
  const now = useNow(isLive(run.status) ? 1000 : 30_000);
  const [asks, setAsks] = useState("");
  const part = useFocusOn(asks);
  const [problem, setProblem] = useState(null);
  const repository = repositoryName(run.repoUrl);
  const took = (isLive(run.status) ? now : Date.parse(run.updatedAt)) - Date.parse(run.createdAt);
  const cancel = async () => { await acts.cancel(); setAsks(""); };
  return html`<header class="run-head">
    <p class="crumbs"><a href="#/">Runs</a><span aria-hidden="true">/</span>
      ${isOnForge(run.repoUrl) ? html`<a href=${address("environments", repository)}>${safeLine(repository, 100)}</a>` : html`<span>${safeLine(repository, 100)}</span>`}
      <span class="dim">${safeLine(run.owner ?? "", 60)}</span>
      <time class="dim" datetime=${run.createdAt} title=${moment(run.createdAt)}>${age(run.createdAt, now) === "now" ? "just now" : `${age(run.createdAt, now)} ago`}</time></p>
    <${Prompt} prompt=${run.prompt} />
    <div class="verdict">
      <${Status} status=${run.status} />
      <p class="sentence" role="status">${statusSentence(run)}</p>
      <div class="acts" ref=${part}>
        ${run.pr?.url && html`<${Away} to=${run.pr.url}><span class="button primary">Pull request #${run.pr.number}${run.pr.draft ? " (draft)" : ""}</span><//>`}
        ${acts && isResumable(run.status) && html`<button type="button" class=${`button ${run.pr?.url ? "" : "primary"}`} aria-expanded=${String(asks === "resume")} onClick=${() => setAsks(asks ? "" : "resume")}>Resume</button>`}
        ${acts && isLive(run.status) && asks !== "cancel" && html`<button type="button" class="button" onClick=${() => setAsks("cancel")}>Cancel run</button>`}
        ${asks === "cancel" && html`<${ActButton} kind="danger" act=${cancel} onProblem=${setProblem}>Stop it now<//>
          <button type="button" class="button quiet" onClick=${() => setAsks("")}>Keep it</button>`}
      </div>
    </div>
    ${run.error && html`<div class="note bad"><p>${safeText(run.error.message)} <span class="dim mono">${safeLine(run.error.code)}</span></p>
      ${run.error.hint && html`<p>${safeText(run.error.hint)}</p>`}</div>`}
    ${run.explanation && html`<div class="note"><p>${safeText(run.explanation)}</p></div>`}
    <${ProblemNote} problem=${problem} />
    ${asks === "resume" && html`<${ResumeForm} run=${run} resume=${async (limits) => { await acts.resume(limits); setAsks(""); }} />`}
    <dl class="facts">
      <div class="fact-proof"><dt>Proof</dt><dd>${proof.map(([tone, words]) => html`<span class="fact"><${Mark} tone=${tone} />${words}</span>`)}</dd></div>
      ${open.length > 0 && html`<div><dt>Not checked</dt><dd>${open.map((words) => html`<span class="fact"><${Mark} tone="warn" />${safeLine(words, 200)}</span>`)}</dd></div>`}
      <div><dt>Cost</dt><dd><${Cost} run=${run} /></dd></div>
      <div><dt>Time</dt><dd>${duration(took)}</dd></div>
      ${run.pr && html`<div><dt>Branch</dt><dd class="mono"><${Branch} run=${run} /></dd></div>`}
    </dl>
  </header>`;
}

/** A link where it is known which repository of the forge has the branch: it may be a fork. */
function Branch({ run }) {
  const name = safeLine(run.pr.branch, 120);
  if (!run.headRepo || !run.pr.url) return name;
  const forge = run.pr.url.split("/").slice(0, -4);
  const path = [...run.headRepo.split("/"), "tree", ...run.pr.branch.split("/")].map(encodeURIComponent);
  return html`<${Away} to=${[...forge, ...path].join("/")}>${name}<//>`;
}

/** The first line as title; the rest opens. */
function Prompt({ prompt }) {
  const [open, setOpen] = useState(false);
  const title = firstLine(prompt, 160);
  const more = prompt.trim() !== title;
  return html`<h1 class="run-title">${title}${more && html` <button type="button" class="button small quiet"
      aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${open ? "Less" : "All of it"}</button>`}</h1>
    ${open && html`<p class="prompt">${safeText(prompt)}</p>`}`;
}
