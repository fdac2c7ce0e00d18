// The plan, and while it waits the four answers to it.

import { html, useState } from "../../htm-preact/preact-standalone.js";
import { safeLine, safeText } from "../model/safe_text.js";
import { ActButton, ProblemNote, useFocusOn } from "./basics.js";

/** `answer` takes {planId, decision, plan?, feedback?}; without it the plan is only shown. */
export function PlanCard({ plan, planId, answer }) {
  const [way, setWay] = useState("");
  const part = useFocusOn(way);
  const [problem, setProblem] = useState(null);
  const [draft, setDraft] = useState(null);
  const [feedback, setFeedback] = useState("");
  const [begun, setBegun] = useState(""); // the plan that what is typed answers
  const begin = (kind) => () => { setDraft(textOf(plan)); setBegun(planId); setWay(kind); };
  const give = (decision, more = {}) => () => answer({ planId: way ? begun : planId, decision, ...more });
  return html`<section ref=${part} class=${`card plan ${answer ? "asks" : ""}`} aria-labelledby="plan-title">
    <h2 id="plan-title">${answer ? "The plan waits for your answer" : "Plan"}</h2>
    ${way === "edit" ? html`<${PlanForm} draft=${draft} setDraft=${setDraft} />` : html`<${PlanText} plan=${plan} />`}
    ${way === "revise" && html`<div class="field"><label for="feedback">What to plan otherwise</label>
      <textarea id="feedback" rows="3" value=${feedback} onInput=${(event) => setFeedback(event.target.value)}></textarea></div>`}
    ${way && begun !== planId && html`<p class="note warn" role="status">Another plan waits by now. What you typed is an answer to the one before.</p>`}
    <${ProblemNote} problem=${problem} />
    ${answer && html`<div class="acts">
      ${way === "" && html`<${ActButton} kind="primary" act=${give("approve")} onProblem=${setProblem}>Approve<//>
        <button type="button" class="button" onClick=${begin("edit")}>Edit</button>
        <button type="button" class="button" onClick=${begin("revise")}>Revise</button>
        <${ActButton} act=${give("reject")} kind="danger" onProblem=${setProblem}>Reject<//>`}
      ${way === "edit" && html`<${ActButton} kind="primary" act=${give("approve", { plan: planOf(plan, draft) })}
        disabled=${!draft.summary.trim()} onProblem=${setProblem}>Approve this plan<//>`}
      ${way === "revise" && html`<${ActButton} kind="primary" act=${give("revise", { feedback })}
        disabled=${!feedback.trim()} onProblem=${setProblem}>Plan again<//>`}
      ${way && html`<button type="button" class="button quiet" onClick=${() => setWay("")}>Back</button>`}
    </div>`}
  </section>`;
}

function PlanText({ plan }) {
  return html`<p class="summary">${safeText(plan.summary)}</p>
    ${plan.steps?.length > 0 && html`<ol class="steps">${plan.steps.map((step) => html`<li>${safeLine(step, 1000)}</li>`)}</ol>`}
    ${plan.files?.length > 0 && html`<p class="plan-files"><span class="dim">Files</span> ${plan.files.map((file) => html`<code>${safeLine(file)}</code> `)}</p>`}
    ${plan.validate?.length > 0 && html`<p class="plan-files"><span class="dim">Checks</span> ${plan.validate.map((check) => html`<code>${safeLine(check)}</code> `)}</p>`}`;
}

function PlanForm({ draft, setDraft }) {
  const field = (name, title, rows) => html`<div class="field"><label for=${`plan-${name}`}>${title}</label>
    <textarea id=${`plan-${name}`} rows=${rows} value=${draft[name]}
      onInput=${(event) => setDraft({ ...draft, [name]: event.target.value })}></textarea></div>`;
  return html`${field("summary", "Summary", 2)}${field("steps", "Steps, one a line", 6)}${field("files", "Files, one a line", 4)}${field("validate", "Checks beside those found, one a line", 2)}`;
}

function textOf(plan) {
  const lines = (list) => (list ?? []).join("\n");
  return { summary: plan.summary, steps: lines(plan.steps), files: lines(plan.files), validate: lines(plan.validate) };
}

function planOf(plan, draft) {
  const list = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  return { summary: draft.summary.trim(), route: plan.route ?? "full", steps: list(draft.steps), files: list(draft.files), validate: list(draft.validate) };
}
