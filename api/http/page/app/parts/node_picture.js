// The eight nodes of a run: where it is, how often it was there, and how long.

import { html } from "../../htm-preact/preact-standalone.js";
import { NODES, isLive } from "../model/status.js";
import { duration } from "../model/units.js";

const BAD = new Set(["failed", "error", "rejected", "request_changes"]);

/** `nodes` is {name: {visits, durationMs, outcome}} of those that were visited. */
export function NodePicture({ run, nodes }) {
  return html`<ol class="nodes" aria-label="Where the run is">
    ${NODES.map((name) => html`<${Node} key=${name} name=${name} seen=${nodes[name]} state=${stateOf(run, name, nodes[name])} />`)}
  </ol>`;
}

const WORDS = { now: "is here", waits: "waits here", done: "done", bad: "ended badly", stopped: "stopped here", open: "not reached" };

function Node({ name, seen, state }) {
  const rounds = seen?.visits > 1 ? `${seen.visits}×` : "";
  return html`<li class=${`node ${state}`} aria-current=${state === "now" || state === "waits" ? "step" : null}>
    <span class="dot" aria-hidden="true"></span>
    <span class="node-name">${name}</span>
    <span class="node-facts">${[rounds, seen?.durationMs ? duration(seen.durationMs) : ""].filter(Boolean).join(" · ")}</span>
    <span class="visually-hidden">${WORDS[state]}</span>
  </li>`;
}

function stateOf(run, name, seen) {
  const here = run.node === name;
  if (here && run.status === "waiting") return "waits";
  if (here && isLive(run.status)) return "now";
  if (!seen) return here ? "stopped" : "open";
  if (here && !["succeeded", "no_changes"].includes(run.status)) return "stopped";
  return BAD.has(seen.outcome) ? "bad" : "done";
}
