// Checks, the failures they name, and findings.

import { html, useState } from "../../htm-preact/preact-standalone.js";
import { safeLine, safeText } from "../model/safe_text.js";
import { duration, plural } from "../model/units.js";
import { Mark } from "./basics.js";

const TONES = { passed: "good", failed: "bad", stopped: "warn", unavailable: "warn" };
const SEVERITIES = { error: "bad", warning: "warn", info: "idle" };
const MOST_NAMES = 12;

/** The commands of a validation or a baseline; `folded`: outputs open by a click. */
export function ChecksList({ report, folded = false }) {
  const commands = report?.commands ?? [];
  return html`<div class="checks">
    ${commands.map((check) => html`<${Check} check=${check} folded=${folded} />`)}
    <${Names} names=${report?.newFailures} title="new failure" tone="bad" />
    <${Names} names=${report?.knownFailures} title="fails on the base, too" tone="idle" />
    <${Names} names=${report?.flaky} title="failed once, passed again" tone="warn" />
    <${FindingsList} findings=${report?.findings} />
  </div>`;
}

function Check({ check, folded }) {
  const [open, setOpen] = useState(!folded && check.status !== "passed");
  const code = check.exitCode === null || check.exitCode === undefined
    ? (check.status === "stopped" ? "stopped" : "could not run") : `exit ${check.exitCode}`;
  return html`<div class="check">
    <button type="button" class="fold-head" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      <span class="caret" aria-hidden="true"></span><${Mark} tone=${TONES[check.status] ?? "idle"} />
      <span class="label mono">${check.folder && html`<span class="dim">${safeLine(check.folder)} </span>`}$ ${safeLine(check.command)}</span>
      <span class="dim">${safeLine(check.counts)}</span>
      <span class=${`exit ${TONES[check.status]}`}>${code}</span><span class="dim">${duration(check.durationMs ?? 0)}</span>
    </button>
    ${open && html`<pre class="output" tabindex="0" role="region" aria-label="Output of the check">${safeText(check.output) || "No output."}</pre>`}
  </div>`;
}

function Names({ names = [], title, tone }) {
  if (!names.length) return null;
  return html`<ul class="names">
    ${names.slice(0, MOST_NAMES).map((name) => html`<li><${Mark} tone=${tone} /><span class="dim">${title}</span> <span class="mono">${safeLine(name)}</span></li>`)}
    ${names.length > MOST_NAMES && html`<li class="dim">and ${names.length - MOST_NAMES} more</li>`}
  </ul>`;
}

export function FindingsList({ findings = [], noun = "finding" }) {
  if (!findings?.length) return null;
  return html`<ul class="findings" aria-label=${plural(findings.length, noun)}>${findings.map((finding) => html`<li>
    <${Mark} tone=${SEVERITIES[finding.severity] ?? "idle"} /><span>
      ${finding.path && html`<span class="mono">${safeLine(finding.path)}${finding.line ? `:${finding.line}` : ""}</span>`}
      ${finding.rule && html` <span class="dim">${safeLine(finding.rule)}</span>`}
      ${" "}${safeText(finding.message)}</span></li>`)}</ul>`;
}

/** The same command on the untouched base and with the change, side by side. */
export function Comparison({ baseline, validation }) {
  if (!validation && !baseline) return html`<p class="dim">No check has run yet.</p>`;
  const names = [...new Set([...(baseline?.commands ?? []), ...(validation?.commands ?? [])].map(nameOf))];
  return html`<table class="compare"><caption class="visually-hidden">Checks on the base and with the change</caption>
    <thead><tr><th scope="col">Check</th><th scope="col">Base</th><th scope="col">Change</th></tr></thead>
    <tbody>${names.map((name) => html`<tr><th scope="row" class="mono">${safeLine(name)}</th>
      <td>${ended(find(baseline, name))}</td><td>${ended(find(validation, name))}</td></tr>`)}</tbody></table>`;
}

function nameOf(check) {
  return check.folder ? `${check.folder}: ${check.command}` : check.command;
}

function find(report, name) {
  return report?.commands?.find((check) => nameOf(check) === name);
}

function ended(check) {
  if (!check) return html`<span class="dim">not run</span>`;
  return html`<span class=${`word ${TONES[check.status] ?? "idle"}`}>${safeLine(check.status)}</span>
    ${check.counts && html`<span class="dim"> ${safeLine(check.counts)}</span>`}`;
}
