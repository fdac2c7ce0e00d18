// All runs: those that wait first, then those at work, then those that have ended.

import { html, useEffect, useState } from "../../htm-preact/preact-standalone.js";
import { firstLine, safeLine } from "../model/safe_text.js";
import { groupOf, repositoryName } from "../model/status.js";
import { age, moment, plural } from "../model/units.js";
import { Cost, ProblemNote, Status, useNow } from "../parts/basics.js";
import { setTitle } from "../parts/notices.js";
import { address } from "../service/route.js";

/** Name, title, and the title's first word or two. */
const GROUPS = [["waiting", "Waiting for you", "Waiting"], ["working", "At work", "At work"], ["ended", "Ended", "Ended"]];

export function RunsScreen({ feed, route, me }) {
  const now = useNow();
  const [asked, setAsked] = useState(route.query.get("q") ?? "");
  const [group, setGroup] = useState("");
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState(null);
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  const found = feed.rows.filter((run) => fits(run, words));
  const groups = GROUPS.map(([name, title, short]) => [name, title, found.filter((run) => groupOf(run, me) === name), short]);
  const shown = groups.filter(([name, , runs]) => runs.length && (!group || group === name));
  useEffect(() => setTitle("Runs"), []);
  useEffect(() => setAsked(route.query.get("q") ?? ""), [route]);
  const search = (text) => {
    setAsked(text);
    history.replaceState(null, "", address("runs", "", { q: text })); // the way back leads to what was found
  };
  const load = async () => {
    setLoading(true);
    setProblem(null);
    try {
      await feed.load(FIVE_PAGES);
    } catch (refused) {
      setProblem(refused);
    }
    setLoading(false);
  };
  return html`<div class="page runs">
    <div class="toolbar">
      <h1 class="visually-hidden">Runs</h1>
      <div class="chips" role="group" aria-label="Show">
        <${Chip} on=${!group} act=${() => setGroup("")} count=${found.length}>All<//>
        ${groups.map(([name, , runs, short]) => html`<${Chip} on=${group === name} count=${runs.length}
          act=${() => setGroup(group === name ? "" : name)}>${short}<//>`)}
      </div>
      <input type="search" class="search" data-search placeholder="Search  /" aria-label="Search runs"
        value=${asked} onInput=${(event) => search(event.target.value)} />
      <a class="button primary" href=${address("new")}>New run</a>
    </div>
    <${ProblemNote} problem=${problem ?? (feed.state === "lost" ? feed.problem : null)} />
    ${shown.map(([name, title, runs]) => html`<section key=${name} aria-label=${title}>
      <h2 class="group">${title} <span class="count">${runs.length}</span></h2>
      <ul class="rows">${runs.map((run) => html`<${RunRow} key=${run.runId} run=${run} now=${now} />`)}</ul>
    </section>`)}
    ${!shown.length && html`<${Nothing} feed=${feed} asked=${asked || group} />`}
    ${feed.more && html`<p class="center"><button type="button" class="button" disabled=${loading}
      onClick=${load}>Load older runs</button></p>`}
  </div>`;
}

const FIVE_PAGES = 5;

function Chip({ on, act, count, children }) {
  return html`<button type="button" class="chip" aria-pressed=${String(on)} onClick=${act}>
    ${children} <span class="count">${count.toLocaleString("en")}</span></button>`;
}

function RunRow({ run, now }) {
  return html`<li class="row"><a class="row-link" data-row href=${address("runs", run.runId)}>
    <span class="row-status"><${Status} status=${run.status} /></span>
    <span class="row-what">
      <span class="row-prompt">${firstLine(run.prompt) || "…"}</span>
      <span class="row-where">
        <span class="row-repo">${safeLine(repositoryName(run.repoUrl), 100)}</span>
        <span>${safeLine(run.owner ?? "", 60)}</span>
        ${run.status === "running" && run.node && html`<span>${run.node}</span>`}
        ${run.reason && html`<span>${safeLine(run.reason, 60).replaceAll("_", " ")}</span>`}
      </span>
    </span>
    <span class="row-proof"><${Proof} run=${run} /></span>
    <span class="row-pr">${pullRequest(run.pr)}</span>
    <span class="row-cost"><${Cost} run=${run} /></span>
    <time class="row-age" datetime=${run.createdAt} title=${moment(run.createdAt)}>${age(run.createdAt, now)}</time>
  </a></li>`;
}

/** How the checks and the review of the newest change ended. */
function Proof({ run }) {
  const checks = { passed: ["good", "checks pass"], failed: ["bad", "checks fail"], unavailable: ["warn", "not checked"] };
  const reviews = { approve: ["good", "approved"], request_changes: ["warn", "changes asked"] };
  const found = [checks[run.validation], reviews[run.verdict]].filter(Boolean);
  return found.map(([tone, words]) => html`<span class=${`word ${tone}`}>${words}</span>`);
}

function pullRequest(pr) {
  if (!pr) return "";
  const name = pr.number === null ? safeLine(pr.branch, 40) : `#${pr.number}`;
  return pr.draft ? `${name} draft` : name;
}

function Nothing({ feed, asked }) {
  if (!feed.isListed) return html`<p class="empty" role="status">Loading runs …</p>`;
  if (asked) return html`<p class="empty">No run fits. ${plural(feed.rows.length, "run")} searched.</p>`;
  return html`<div class="empty">
    <p>No run yet.</p>
    <p><a class="button primary" href=${address("new")}>Start the first one</a></p>
  </div>`;
}

function fits(run, words) {
  if (!words.length) return true;
  const text = [run.prompt, run.repoUrl, run.owner, run.runId, run.status, run.node, run.reason,
    run.pr?.number ? `#${run.pr.number}` : "", run.pr?.branch].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}
