// One item of the timeline.

import { html } from "../../htm-preact/preact-standalone.js";
import { firstLine, safeLine, safeText } from "../model/safe_text.js";
import { duration, moment, money, plural } from "../model/units.js";
import { Away, Mark } from "./basics.js";
import { ChecksList, FindingsList } from "./checks.js";
import { Hunk } from "./hunk.js";

const MOST_LINES = 40;
const LONGEST_OUTPUT = 64 * 1024;
const OUTCOMES = {
  ok: "", passed: "passed", failed: "failed", unavailable: "not checked", approved: "approved",
  request_changes: "asks for changes", revised: "planned again", rejected: "rejected",
  no_changes: "nothing to change", stopped: "stopped", error: "error",
};
const BAD = new Set(["failed", "error", "rejected"]);

export function TimelineRow({ item, redraw }) {
  const Row = ROWS[item.kind];
  return Row ? html`<${Row} item=${item} event=${item.event} redraw=${redraw} />` : null;
}

/** Pixels that an item takes, before it was drawn. */
export function guessHeight(item) {
  if (!ROWS[item.kind]) return 0;
  if (item.kind === "say") return 34 + 21 * Math.ceil(item.text.length / 90);
  if (item.kind === "node") return 46;
  if (item.edit && item.open !== false) return 44 + 20 * Math.min(MOST_LINES, item.edit.lines.length);
  return 32;
}

function NodeRow({ item }) {
  const tone = BAD.has(item.outcome) ? "bad" : item.outcome === "request_changes" ? "warn" : "good";
  return html`<h2 class="item-node">
    <span class="node-name">${item.node}</span>${item.visit > 1 && html`<span class="dim">round ${item.visit}</span>`}
    ${item.outcome && OUTCOMES[item.outcome] && html`<span class=${`word ${tone}`}>${OUTCOMES[item.outcome]}</span>`}
    <span class="rule"></span>
    <time class="dim" datetime=${item.time} title=${moment(item.time)}>${item.outcome ? duration(item.durationMs) : "at work"}</time>
  </h2>`;
}

function Say({ item }) {
  return html`<div class="item-say"><${Role} item=${item} /><p>${safeText(item.text)}</p></div>`;
}

function Think({ item, redraw }) {
  return html`<${Fold} item=${item} redraw=${redraw} className="item-think"
    head=${html`<${Role} item=${item} /><span class="label">${firstLine(item.text)}</span>`}>
    <p class="thought">${safeText(item.text)}</p>
  <//>`;
}

function Tool({ item, redraw }) {
  const ended = !item.done ? html`<${Mark} tone="busy" /><span class="dim">runs</span>`
    : html`${code(item)}<span class="dim">${duration(item.durationMs ?? 0)}</span>`;
  const edit = item.edit;
  if (edit) {
    return html`<${Fold} item=${item} redraw=${redraw} open=${true} className="item-edit" head=${html`
      <${Role} item=${item} /><span class="label mono">${safeLine(edit.path)}</span>
      <span class="counts"><span class="plus">+${edit.added}</span> <span class="minus">−${edit.removed}</span></span>${ended}`}>
      <${LongHunk} item=${item} redraw=${redraw} />
      ${item.done && !item.ok && html`<${Output} text=${item.output} label="What the edit answered" />`}
    <//>`;
  }
  return html`<${Fold} item=${item} redraw=${redraw} className="item-tool" head=${html`
    <${Role} item=${item} /><span class="label mono">${toolLabel(item)}</span>${ended}`}>
    ${longCommand(item) && html`<${Output} text=${item.input.command} label="Command" />`}
    <${Output} text=${item.done ? item.output : ""} empty=${item.done ? "No output." : "No output yet."} label="Output" />
  <//>`;
}

function LongHunk({ item, redraw }) {
  const { lines, path } = item.edit;
  const shown = item.whole ? lines : lines.slice(0, MOST_LINES);
  const more = lines.length - shown.length;
  return html`<${Hunk} lines=${shown} label=${`Edit of ${safeLine(path)}`} />
    ${more > 0 && html`<button type="button" class="button small quiet" onClick=${() => { item.whole = true; redraw(); }}>
      Show ${plural(more, "more line")}</button>`}`;
}

function code(item) {
  if (item.exitCode !== undefined && item.exitCode !== null) {
    return html`<span class=${`exit ${item.exitCode ? "bad" : "good"}`}>exit ${item.exitCode}</span>`;
  }
  return item.ok ? null : html`<span class="exit bad">failed</span>`;
}

/** `$ COMMAND`, `view PATH`, or the tool's name with its input. */
function toolLabel({ tool, input, output }) {
  if (!tool) return `(a call before) ${firstLine(output, 80)}`;
  if (tool === "bash" && input?.command) return `$ ${firstLine(input.command)}`;
  if (input?.restart) return "restart the shell";
  if (input?.command && input?.path) return safeLine(`${input.command} ${String(input.path).replace(/^\/workspace\//, "")}`, 200);
  return safeLine(`${tool} ${JSON.stringify(input ?? {})}`, 200);
}

function longCommand({ tool, input }) {
  return tool === "bash" && typeof input?.command === "string" && /\n|.{110}/.test(input.command);
}

function Output({ text, label, empty = "" }) {
  if (!text) return empty ? html`<p class="output dim">${empty}</p>` : null;
  return html`<pre class="output" tabindex="0" role="region" aria-label=${label}>${safeText(text.slice(-LONGEST_OUTPUT))}</pre>`;
}

/** Who it is; not shown again where the item before is of the same role. */
function Role({ item: { role, again } }) {
  return html`<span class=${`role ${role}`}><span class=${again ? "visually-hidden" : ""}>${role}</span></span>`;
}

/** A line that opens to more. `open` is how it begins. */
function Fold({ item, redraw, head, children, className, open = false }) {
  const isOpen = item.open ?? open;
  const toggle = () => { item.open = !isOpen; redraw(); };
  return html`<div class=${`fold ${className}`}>
    <button type="button" class="fold-head" aria-expanded=${String(isOpen)} onClick=${toggle}>
      <span class="caret" aria-hidden="true"></span>${head}</button>
    ${isOpen && html`<div class="fold-body">${children}</div>`}
  </div>`;
}

function When({ time }) {
  return html`<time class="dim" datetime=${time}>${moment(time)}</time>`;
}

/** A message of a person, with what became of it. */
function Message({ item }) {
  const { state } = item;
  const told = !state ? "queued" : `${state.type === "message.read" ? "read" : "answered"} by ${safeLine(state.role)}`;
  return html`<div class="item-message"><p class="result-head"><strong>${safeLine(item.by, 60)}</strong>
    <span class=${`word ${state?.type === "message.answered" ? "good" : "idle"}`}>${told}</span><${When} time=${item.time} /></p>
    <p>${safeText(item.text)}</p></div>`;
}

function Hint({ item }) {
  return html`<p class="item-hint"><${Mark} tone="idle" />${safeText(item.text)}</p>`;
}

/** `at` is when, for what a person did. */
function Result({ tone, title, aside, at, children }) {
  return html`<div class="item-result"><p class="result-head"><${Mark} tone=${tone} /><span>${title}</span>
    <span class="dim">${aside}</span>${at && html`<${When} time=${at} />`}</p>${children}</div>`;
}

const PlanMade = ({ event }) => html`<${Result} tone="good" title=${`Plan: ${safeLine(event.plan?.summary)}`}
  aside=${plural(event.plan?.steps?.length ?? 0, "step")} />`;
const Started = ({ event }) => html`<${Result} tone=${event.unpriced ? "warn" : "idle"} title=${`Attempt ${event.attempt}`}
  aside=${[...new Set(Object.values(event.models ?? {}))].map((each) => safeLine(each)).join(", ")}>
  ${event.unpriced && html`<p>Cost unknown: no price of ${event.unpriced.map((each) => safeLine(each)).join(", ")}; tokens alone are held to a limit.</p>`}<//>`;
const ANSWERS = { approve: "approved the plan", revise: "asked for another plan", reject: "rejected the plan" };
const Answered = ({ event }) => html`<${Result} tone=${event.decision === "approve" ? "good" : "idle"}
  title=${`${safeLine(event.by, 60)} ${ANSWERS[event.decision] ?? safeLine(event.decision)}`} aside=${safeLine(event.feedback, 1000)} at=${event.time} />`;
const CancelAsked = ({ event }) => html`<${Result} tone="idle" title=${`${safeLine(event.by, 60)} cancelled the run`} at=${event.time} />`;
const Raised = ({ event }) => html`<${Result} tone="idle" title=${`${safeLine(event.by, 60)} raised limits`} at=${event.time} aside=${[
  event.maxCostUsd && money(event.maxCostUsd), event.maxFixRounds && plural(event.maxFixRounds, "fix round"),
  event.timeoutS && duration(event.timeoutS * 1000)].filter(Boolean).join(", ")} />`;
const Resumed = ({ event }) => html`<${Result} tone="idle" title=${`${event.by ? safeLine(event.by, 60) : "The service"} resumed it: attempt ${event.attempt}`} aside=${safeLine(event.reason)} at=${event.time} />`;
const Changed = ({ event }) => html`<${Result} tone="good" title=${`The change touches ${plural(event.files?.length ?? 0, "file")}`}
  aside=${event.baseSha ? `on the newer base ${safeLine(event.baseSha.slice(0, 10))}` : ""} />`;
const Checked = ({ event, base }) => html`<${Result} tone=${CHECK_TONES[event.status]}
  title=${`${base ? "On the untouched base" : "With the change"}: ${CHECK_WORDS[event.status] ?? safeLine(event.status)}`}>
  <${ChecksList} report=${event} folded=${true} /><//>`;
const CHECK_TONES = { passed: "good", failed: "bad", unavailable: "warn" };
const CHECK_WORDS = { passed: "the checks pass", failed: "the checks fail", unavailable: "no check could run" };
const Baseline = ({ event }) => html`<${Checked} event=${event} base=${true} />`;
const Proof = ({ event }) => html`<${Result} tone=${event.shown ? "good" : "idle"}
  title=${event.shown ? "New tests fail without the change and pass with it" : "The change's own tests show nothing by themselves"}
  aside=${plural(event.tests?.length ?? 0, "test")} />`;
const Reviewed = ({ event }) => html`<${Result} tone=${event.verdict === "approve" ? "good" : "warn"}
  title=${`${event.verdict === "approve" ? "Approved" : "Changes asked"}${event.summary ? `: ${safeLine(event.summary, 1000)}` : ""}`}>
  <${FindingsList} findings=${event.findings} /><//>`;
const Received = ({ event }) => html`<${Result} tone="idle" title=${`${safeLine(event.by, 60)} reviewed the pull request`} at=${event.time}>
  <${FindingsList} findings=${(event.comments ?? []).map(({ path, line, text }) => ({ path, line, message: text }))} noun="comment" /><//>`;
const FailedOnForge = ({ event }) => html`<${Result} tone="bad" title=${`Checks of the pull request failed on ${safeLine((event.head ?? "").slice(0, 10))}`} at=${event.time}>
  <ul class="names">${(event.jobs ?? []).map(({ name, url }) => html`<li><${Mark} tone="bad" /><${Away} to=${url}>${safeLine(name)}<//></li>`)}</ul><//>`;
const Gated = ({ event }) => html`<${Result} tone=${event.passed ? "good" : "bad"}
  title=${event.passed ? "The gate lets the change pass" : "The gate holds the change back"}><${FindingsList} findings=${event.findings} /><//>`;
const Retried = ({ event }) => html`<${Result} tone="warn" title=${`Tried again: ${safeLine(event.what)}`}
  aside=${`${safeLine(event.reason)}, after ${duration(event.waitMs ?? 0)}`} />`;
const Published = ({ event }) => html`<${Result} tone="good" title=${html`<${Away} to=${event.url}>${
  event.number === null ? `Branch ${safeLine(event.branch)}` : `Pull request #${event.number}`}<//>`} aside=${event.draft ? "draft" : ""} />`;
const Ended = ({ event }) => html`<${Result} tone=${event.status === "succeeded" ? "good" : "idle"}
  title=${`Ended: ${safeLine(event.status).replaceAll("_", " ")}`} aside=${event.error ? safeLine(event.error.message) : ""} />`;

const ROWS = {
  node: NodeRow, say: Say, think: Think, tool: Tool, hint: Hint,
  message: Message, "plan.answered": Answered, "cancel.requested": CancelAsked, "limits.raised": Raised,
  "run.started": Started, "run.resumed": Resumed, "plan.ready": PlanMade, "change.updated": Changed,
  "baseline.finished": Baseline, "validation.finished": Checked, "proof.finished": Proof,
  "review.finished": Reviewed, "review.received": Received, "check.failed": FailedOnForge, "gate.finished": Gated, retry: Retried, "pr.created": Published,
  "pr.updated": Published, "run.finished": Ended,
};
