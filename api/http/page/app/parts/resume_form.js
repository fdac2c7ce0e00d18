// Carrying a run on, with limits that may be raised up to the operator's.

import { html, useState } from "../../htm-preact/preact-standalone.js";
import { ActButton, ProblemNote } from "./basics.js";

const ENDED_BY_LIMIT = new Set(["budget_exhausted", "timed_out"]);
const FIELDS = [
  ["maxCostUsd", "Money in all, US dollars", 0.5], ["maxFixRounds", "Fix rounds", 1], ["timeoutS", "Time in all, seconds", 60],
];

export function ResumeForm({ run, resume }) {
  const [limits, setLimits] = useState({});
  const [problem, setProblem] = useState(null);
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== "").map(([name, value]) => [name, Number(value)]));
  return html`<form class="card resume" onSubmit=${(event) => event.preventDefault()}>
    <p>It goes on where it stopped; nothing is paid twice.${whatHelps(run)}</p>
    <div class="fields">${FIELDS.map(([name, title, step]) => html`<div class="field">
      <label for=${`resume-${name}`}>${title}</label>
      <input id=${`resume-${name}`} type="number" min="0" step=${step} inputmode="decimal" value=${limits[name] ?? ""}
        placeholder=${name === "maxCostUsd" && run.maxCostUsd ? String(run.maxCostUsd) : "as before"}
        onInput=${(event) => setLimits({ ...limits, [name]: event.target.value })} />
    </div>`)}</div>
    <${ProblemNote} problem=${problem} />
    <div class="acts"><${ActButton} kind="primary" act=${() => resume(given)} onProblem=${setProblem}>Carry it on<//></div>
  </form>`;
}

/** What to change so that it does not end there again; what else is missing no limit brings. */
function whatHelps({ status, reason }) {
  if (reason === "tokens_spent") return " Its limit of tokens is the service's: whoever runs that can raise it.";
  const isLimit = reason === "fix_rounds_exhausted" || ENDED_BY_LIMIT.has(status);
  return isLimit ? " Raise the limit that ended it, or it ends there again." : "";
}
