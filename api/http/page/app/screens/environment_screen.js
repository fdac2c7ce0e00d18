// What set-up does on a repository, how its checks end there, and forgetting it.

import { html, useEffect, useState } from "../../htm-preact/preact-standalone.js";
import { safeLine, safeText } from "../model/safe_text.js";
import { duration, moment } from "../model/units.js";
import { ActButton, Mark, ProblemNote, useFocusOn } from "../parts/basics.js";
import { ChecksList } from "../parts/checks.js";
import { setTitle } from "../parts/notices.js";
import { json, request } from "../service/calls.js";
import { address } from "../service/route.js";

const TONES = { ok: "good", failed: "bad", left_out: "warn", skipped: "idle" };
const SOURCES = { rule: "by rule", repository: "from the repository", model: "found by a model", caller: "asked by the caller" };

export function EnvironmentScreen({ route }) {
  const path = `/environments/${route.id.split("/").map(encodeURIComponent).join("/")}`;
  const [record, setRecord] = useState(null);
  const [problem, setProblem] = useState(null);
  const [asks, setAsks] = useState(false);
  const part = useFocusOn(asks);
  useEffect(() => {
    setTitle(`Environment of ${safeLine(route.id, 60)}`);
    json("GET", path).then(setRecord, setProblem);
  }, [path]);
  const forget = async () => {
    await request("DELETE", path);
    setRecord(null);
    setAsks(false);
    setProblem({ message: "Forgotten. The next run makes it from nothing.", forgotten: true });
  };
  return html`<div class="page environment">
    <p class="crumbs"><a href="#/">Runs</a><span aria-hidden="true">/</span><span>${safeLine(route.id, 120)}</span></p>
    <div class="verdict"><h1>Environment</h1>
      <div class="acts" ref=${part}>
        ${record && !asks && html`<button type="button" class="button" onClick=${() => setAsks(true)}>Forget</button>`}
        ${asks && html`<${ActButton} kind="danger" act=${forget} onProblem=${setProblem}>Forget it<//>
          <button type="button" class="button quiet" onClick=${() => setAsks(false)}>Keep it</button>`}
        <a class="button primary" href=${address("new", "", { repo: route.id })}>New run</a>
      </div></div>
    ${problem?.forgotten ? html`<p class="note good" role="status">${problem.message}</p>` : html`<${ProblemNote} problem=${problem} />`}
    ${record ? html`<${Record} record=${record} />` : !problem && html`<p class="empty" role="status">Loading …</p>`}
  </div>`;
}

function Record({ record }) {
  const { environment, baseline } = record;
  const tools = Object.entries(environment.tools ?? {});
  return html`<div class="cards">
    <p class="dim">Made ${moment(record.madeAt)} on commit <code>${safeLine(record.sha.slice(0, 12))}</code>${" "}
      by run <a href=${address("runs", record.runId)}>${safeLine(record.runId)}</a>.</p>
    <section class="card" aria-labelledby="set-up"><h2 id="set-up">Set-up</h2>
      ${environment.commands.length ? environment.commands.map((command) => html`<${SetupCommand} command=${command} />`)
        : html`<p class="dim">Nothing has to be set up.</p>`}</section>
    ${environment.leftOut.length > 0 && html`<section class="card" aria-labelledby="left-out"><h2 id="left-out">Left out</h2>
      <ul class="findings">${environment.leftOut.map((part) => html`<li><${Mark} tone="warn" /><span><span class="mono">${safeLine(part.what)}</span>
        ${" "}<span class="dim">${safeText(part.why)}</span></span></li>`)}</ul></section>`}
    <section class="card" aria-labelledby="baseline"><h2 id="baseline">Checks on the untouched base</h2>
      ${baseline ? html`<${ChecksList} report=${baseline} />` : html`<p class="dim">They have not run yet.</p>`}</section>
    ${(tools.length > 0 || environment.services?.length > 0) && html`<section class="card" aria-labelledby="tools"><h2 id="tools">Tools and services</h2>
      <dl class="receipt">${tools.map(([name, version]) => html`<div><dt>${safeLine(name)}</dt><dd class="mono">${safeLine(version)}</dd></div>`)}
        ${(environment.services ?? []).map((service) => html`<div><dt>${safeLine(service.name)}</dt><dd class="mono">port ${service.port}</dd></div>`)}</dl></section>`}
  </div>`;
}

function SetupCommand({ command }) {
  return html`<div class="check"><p class="result-head"><${Mark} tone=${TONES[command.status] ?? "idle"} />
      <span class="mono">${command.folder && html`<span class="dim">${safeLine(command.folder)} </span>`}$ ${safeLine(command.command)}</span>
      <span class="dim">${SOURCES[command.source] ?? safeLine(command.source)}</span>
      ${command.status !== "ok" && html`<span class=${`word ${TONES[command.status]}`}>${safeLine(command.status).replaceAll("_", " ")}</span>`}
      <span class="dim">${duration(command.durationMs ?? 0)}</span></p>
    ${command.output && html`<pre class="output" tabindex="0" role="region" aria-label="Output of set-up">${safeText(command.output)}</pre>`}</div>`;
}
