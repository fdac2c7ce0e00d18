// One run.

import { html, useEffect, useRef, useState } from "../../htm-preact/preact-standalone.js";
import { proofOf, uncheckedOf } from "../model/proof.js";
import { firstLine } from "../model/safe_text.js";
import { isLive, mayAct, statusWord } from "../model/status.js";
import { money } from "../model/units.js";
import { ProblemNote, useWide } from "../parts/basics.js";
import { ChangeView } from "../parts/change_view.js";
import { Composer } from "../parts/composer.js";
import { NodePicture } from "../parts/node_picture.js";
import { setTitle } from "../parts/notices.js";
import { PlanCard } from "../parts/plan_card.js";
import { RunCards } from "../parts/run_cards.js";
import { RunHead } from "../parts/run_head.js";
import { TimelineRow, guessHeight } from "../parts/timeline_row.js";
import { WindowedList } from "../parts/windowed_list.js";
import { request } from "../service/calls.js";
import { address } from "../service/route.js";
import { RunFeed } from "../service/run_feed.js";

const WIDE = 1080;

export function RunScreen({ route, feed: runs, me, signIns }) {
  const [, redraw] = useState(0);
  const [feed, setFeed] = useState(null);
  useEffect(() => {
    const opened = new RunFeed(route.id, () => redraw((count) => count + 1));
    setFeed(opened);
    opened.start();
    const onVisibility = () => {
      opened.pause(document.hidden);
      redraw((count) => count + 1);
    };
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      opened.close();
    };
  }, [route.id]);
  useEffect(() => { if (signIns) feed?.wake(); }, [signIns]);
  useEffect(() => feed?.hear(runs.byId.get(route.id)));
  if (!feed?.view) {
    return html`<div class="page"><h1 class="visually-hidden">Run</h1>${feed?.problem ? html`<${ProblemNote} problem=${feed.problem} />`
      : html`<p class="empty" role="status">Loading the run …</p>`}</div>`;
  }
  const gone = runs.removed.has(route.id) || feed.problem?.status === 404;
  return html`<${Run} feed=${feed} route=${route} me=${gone ? null : me} gone=${gone} />`;
}

/** `me` is who may act; nobody where the run is `gone`. */
function Run({ feed, route, me, gone }) {
  const { run } = feed;
  const wide = useWide(WIDE);
  const [tab, setTab] = useState(route.query.get("tab") ?? "timeline");
  useEffect(() => setTitle(`${statusWord(run.status)}: ${firstLine(run.prompt, 60)}`), [run.status, run.prompt]);
  const shown = wide && tab === "details" ? "timeline" : tab;
  const acting = mayAct(run, me);
  const acts = acting && { cancel: () => feed.act("cancel"), resume: (limits) => feed.act("resume", limits) };
  const waits = run.status === "waiting" && run.planId && run.plan;
  return html`<div class="run">
    <div class="run-told" role="status">${gone ? html`<p class="note warn">This run was removed. What you see is what was read before. <a href="#/">All runs</a></p>`
      : feed.state === "lost" && html`<p class="note warn">The connection is lost; it is taken up again. What you see may be old.</p>`}</div>
    <${RunHead} run=${run} proof=${proofOf(run)} open=${uncheckedOf(run)} acts=${acts} />
    ${waits && html`<${PlanCard} plan=${run.plan} planId=${run.planId} answer=${acting && ((answer) => feed.act("plan", answer))} />`}
    <${NodePicture} run=${run} nodes=${nodesOf(run)} />
    <div class="run-body">
      <div class="run-main">
        <${Tabs} tab=${shown} setTab=${setTab} wide=${wide} files=${run.change?.files} />
        <div id="run-panel" role="tabpanel" aria-labelledby=${`tab-${shown}`} class="panel">
          ${shown === "timeline" && html`<${Timeline} feed=${feed} live=${isLive(run.status)} />`}
          ${shown === "change" && html`<div class="pane" tabindex="0" role="region" aria-label="Change"><${ChangeView} feed=${feed} digest=${run.change?.digest} /></div>`}
          ${shown === "details" && html`<div class="pane" tabindex="0" role="region" aria-label="Details"><${RunCards} run=${run} /></div>`}
        </div>
        ${acting && isLive(run.status) && html`<${Composer} send=${(text) => feed.act("messages", { text })}
          hint=${run.status === "waiting" ? "A message for the next role" : "A message for the role at work"} />`}
        ${me && run.pr?.number && !isLive(run.status) && html`<${Composer} send=${(prompt) => startFollowUp(run.runId, prompt)}
          hint="What should change on its pull request" label="Request of a follow-up" button=${followUpTitle(me)} />`}
      </div>
      ${wide && html`<aside class="rail" aria-label="Details" tabindex="0"><${RunCards} run=${run} /></aside>`}
    </div>
  </div>`;
}

/** Start a run on the pull request of one that has ended, and open it. */
async function startFollowUp(parentRunId, prompt) {
  const answer = await request("POST", "/code", { body: { parentRunId, prompt }, headers: { Prefer: "respond-async" } });
  location.hash = address("runs", answer.headers.get("X-Run-Id"));
}

function followUpTitle(me) {
  const most = me.limits?.maxCostUsd;
  return most ? `Start follow-up (≤ ${money(most).replace(/\.00$/, "")})` : "Start follow-up";
}

function Tabs({ tab, setTab, wide, files }) {
  const tabs = [["timeline", "Timeline"], ["change", files ? `Change (${files.length})` : "Change"], ...(wide ? [] : [["details", "Details"]])];
  const onKey = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = tabs.findIndex(([name]) => name === tab);
    const [next] = tabs[(at + step + tabs.length) % tabs.length];
    setTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Parts of the run" onKeyDown=${onKey}>
    ${tabs.map(([name, title]) => html`<button type="button" role="tab" id=${`tab-${name}`} aria-selected=${String(tab === name)}
      aria-controls="run-panel" tabindex=${tab === name ? 0 : -1} onClick=${() => setTab(name)}>${title}</button>`)}
  </div>`;
}

function Timeline({ feed, live }) {
  const list = useRef(null);
  const { log } = feed;
  if (!log.items.length) return html`<div class="pane"><p class="empty" role="status">${live ? "Nothing has happened yet." : "Loading …"}</p></div>`;
  const toEnd = () => { list.current.toEnd(); feed.toNewest(); };
  return html`<${WindowedList} ref=${list} items=${log.items} version=${feed.version} row=${TimelineRow} guess=${guessHeight}
    label="Timeline" startAtEnd=${(live || log.hasOlder) && !log.hasNewer} more=${log.hasNewer} onTop=${() => feed.loadOlder()}
    onBottom=${() => feed.loadNewer()} onFollow=${(following) => feed.read(!following)} />
    ${feed.readsOld && (live || log.hasNewer) && html`<button type="button" class="button small to-end" onClick=${toEnd}>Newest ↓</button>`}`;
}

/** Visits of the nodes as the view has them. */
function nodesOf(run) {
  return Object.fromEntries((run.nodes ?? []).map((node) => [node.node, node]));
}
