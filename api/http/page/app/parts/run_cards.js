// What a run has found, a card each.

import { html } from "../../htm-preact/preact-standalone.js";
import { safeLine, safeText } from "../model/safe_text.js";
import { isOnForge, repositoryName } from "../model/status.js";
import { allTokens, money, moment, plural, tokens } from "../model/units.js";
import { address } from "../service/route.js";
import { Mark } from "./basics.js";
import { ChecksList, Comparison, FindingsList } from "./checks.js";
import { PlanCard } from "./plan_card.js";

export function RunCards({ run }) {
  const validation = (run.validations ?? []).at(-1);
  const review = (run.reviews ?? []).at(-1);
  return html`<div class="cards">
    ${run.plan && run.status !== "waiting" && html`<${PlanCard} plan=${run.plan} />`}
    <${Card} title="Checks"><${Comparison} baseline=${run.baseline} validation=${validation} />
      ${validation && validation.status !== "passed" && html`<${ChecksList} report=${validation} folded=${true} />`}
      ${validation?.status === "passed" && html`<${FindingsList} findings=${validation.findings} />`}<//>
    ${review && html`<${Card} title="Review"><p class="result-head"><${Mark} tone=${review.verdict === "approve" ? "good" : "warn"} />
      <span>${review.verdict === "approve" ? "Approved" : "Changes asked"}</span>
      ${run.reviews.length > 1 && html`<span class="dim">round ${run.reviews.length}</span>`}</p>
      ${review.summary && html`<p>${safeText(review.summary)}</p>`}<${FindingsList} findings=${review.findings} /><//>`}
    ${run.gate && !run.gate.passed && html`<${Card} title="Gate"><${FindingsList} findings=${run.gate.findings} /><//>`}
    <${Spent} run=${run} />
    <${Receipt} run=${run} validation=${validation} />
  </div>`;
}

function Card({ title, children }) {
  const id = `card-${title.toLowerCase().replaceAll(" ", "-")}`;
  return html`<section class="card" aria-labelledby=${id}><h2 id=${id}>${title}</h2>${children}</section>`;
}

/** Money and tokens by role against the ceiling. */
function Spent({ run }) {
  const roles = Object.entries(run.roles ?? {});
  const most = run.maxCostUsd ?? Math.max(0.01, run.costUsd ?? 0);
  if (!roles.length) return null;
  return html`<${Card} title="Money and tokens"><table class="spent">
    <thead><tr><th scope="col">Role</th><th scope="col">Turns</th><th scope="col">Tokens</th><th scope="col">Money</th></tr></thead>
    <tbody>${roles.map(([role, part]) => html`<tr><th scope="row"><span class=${`role ${role}`}>${role}</span></th>
      <td>${part.turns}</td><td>${tokens(allTokens(part.usage))}</td>
      <td>${money(part.costUsd)}<span class="bar" aria-hidden="true"><span style=${{ width: `${Math.min(100, (100 * (part.costUsd ?? 0)) / most)}%` }}></span></span></td></tr>`)}</tbody>
    <tfoot><tr><th scope="row">All</th><td></td><td>${tokens(allTokens(run.usage))}</td>
      <td>${money(run.costUsd)}${run.maxCostUsd ? html`<span class="dim"> of ${money(run.maxCostUsd)}</span>` : null}</td></tr></tfoot>
  </table><${CacheShare} usage=${run.usage} /><//>`;
}

function CacheShare({ usage }) {
  const all = allTokens(usage);
  if (!all || !usage.cache_read_input_tokens) return null;
  return html`<p class="dim">${Math.round((100 * usage.cache_read_input_tokens) / all)} % of the tokens came from the prompt cache.</p>`;
}

/** What was done by what: enough to do it again. */
function Receipt({ run, validation }) {
  const rows = [
    ["Run", run.runId], ["Attempt", run.attempt > 1 ? String(run.attempt) : ""],
    ["Repository", run.repoUrl],
    ["Base commit", run.baseSha], ["Branch", run.pr?.branch], ["Change", run.change?.digest],
    ["Models", [...new Set(Object.values(run.models ?? {}))].join(", ")], ["Version", run.version],
    ["Checks", (validation?.commands ?? []).map((check) => `${check.command}: ${check.exitCode ?? check.status}`).join("\n")],
    ["Cost", money(run.costUsd)], ["Begun", moment(run.createdAt)], ["Last word", moment(run.updatedAt)],
  ].filter(([, value]) => value);
  const copy = () => navigator.clipboard?.writeText(rows.map(([name, value]) => `${name}: ${value}`).join("\n"));
  return html`<${Card} title="Receipt">
    <dl class="receipt">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${value.split("\n").map((line) => html`<div>${safeLine(line)}</div>`)}</dd></div>`)}</dl>
    <p class="acts"><button type="button" class="button small" onClick=${copy}>Copy</button>
      ${isOnForge(run.repoUrl) && html`<a class="button small" href=${address("new", "", { repo: repositoryName(run.repoUrl), prompt: run.prompt.slice(0, 4000) })}>Ask again</a>
      <a class="button small" href=${address("environments", repositoryName(run.repoUrl))}>Environment</a>`}</p>
    ${run.environment?.leftOut?.length > 0 && html`<p class="dim">${plural(run.environment.leftOut.length, "part")} of the set-up could not be had.</p>`}
  <//>`;
}
