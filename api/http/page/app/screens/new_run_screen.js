// A new run. Its address can fill the form in: `#/new?repo=…&prompt=…&base=…`.

import { html, useEffect, useState } from "../../htm-preact/preact-standalone.js";
import { repositoryName } from "../model/status.js";
import { duration, money, plural } from "../model/units.js";
import { ActButton, ProblemNote } from "../parts/basics.js";
import { setTitle } from "../parts/notices.js";
import { json, request } from "../service/calls.js";
import { address } from "../service/route.js";

const TEXTS = {
  repo: "repoUrl", prompt: "prompt", base: "baseBranch", branch: "branch", title: "title", model: "model",
};
const LISTS = { setup: "setup", validate: "validate", labels: "labels", reviewers: "reviewers" };
const NUMBERS = { money: "maxCostUsd", rounds: "maxFixRounds", time: "timeoutS" };
const SWITCHES = { approve: "approvePlan", draft: "draft", only: "validateOnly" };

/** `me` is who asks, with what a run may be given. */
export function NewRunScreen({ route, feed, me }) {
  const [values, setValues] = useState(() => Object.fromEntries(route.query));
  const [problem, setProblem] = useState(null);
  const [rights, setRights] = useState(null);
  const [listed, setListed] = useState([]);
  const link = String(route.query);
  useEffect(() => setTitle("New run"), []);
  useEffect(() => { if (link) setValues(Object.fromEntries(route.query)); }, [link]);
  useEffect(() => { json("GET", "/session/repositories").then((found) => setListed(found.repositories), () => {}); }, []);
  const set = (name) => (event) => setValues({ ...values, [name]: valueOf(event.target) });
  const repositories = offered(me?.repositories ?? [], listed, feed.rows);
  const start = async () => {
    const answer = await request("POST", "/code", { body: bodyOf(values, me), headers: { Prefer: "respond-async" } });
    location.hash = address("runs", answer.headers.get("X-Run-Id"));
  };
  const tryRepository = async () => {
    const repo = values.repo?.trim();
    setRights(null);
    if (!repo) return;
    const found = await json("GET", `/auth-test?${new URLSearchParams({ repoUrl: repo })}`).catch((problem) => ({ problem }));
    setRights({ ...found, of: repo });
  };
  const submit = (event) => { event.preventDefault(); event.target.querySelector("[data-start] button").click(); };
  const text = (name, title, more = {}) => html`<${Field} name=${name} title=${title} value=${values[name]} onInput=${set(name)} ...${more} />`;
  return html`<div class="page new-run"><form onSubmit=${submit}>
    <h1>New run</h1>
    ${text("repo", "Repository", { placeholder: placeholderOf(me?.repositories ?? []), list: "repositories", required: true, onBlur: tryRepository })}
    <datalist id="repositories">${repositories.map((name) => html`<option value=${name} />`)}</datalist>
    <${Rights} rights=${rights?.of === values.repo?.trim() ? rights : null} />
    ${text("prompt", "What should change", { rows: 6, required: true, placeholder: "In plain words. What is wrong, what should be, how one can see it." })}
    ${text("base", "Base branch", { placeholder: "the default branch" })}
    <div class="switches"><${Switch} name="approve" title="Ask me before the plan is carried out" values=${values} set=${set} />
      <${Switch} name="draft" title="Open the pull request as a draft" values=${values} set=${set} /></div>
    <details open=${hasOptions(values)}><summary>Options</summary>
      <div class="fields">
        ${text("money", "Money at most, US dollars", { type: "number", step: "0.1", placeholder: me?.limits.maxCostUsd ?? "no limit", max: me?.limits.maxCostUsd })}
        ${text("rounds", "Fix rounds at most", { type: "number", step: "1", placeholder: me?.limits.maxFixRounds, max: me?.limits.maxFixRounds })}
        ${text("time", "Seconds at most", { type: "number", step: "60", placeholder: me?.limits.timeoutS, max: me?.limits.timeoutS })}
        ${text("model", "Model", { placeholder: "the service's choice", list: "models" })}
        <datalist id="models">${(me?.models ?? []).map((name) => html`<option value=${name} />`)}</datalist>
      </div>
      ${text("setup", "Set-up commands, one a line", { rows: 2 })}
      ${text("validate", "Checks beside those found, one a line", { rows: 2 })}
      <${Switch} name="only" title="These checks alone" values=${values} set=${set} />
      <div class="fields">${text("title", "Title of the pull request")}${text("branch", "Its new branch", { placeholder: `${me?.branchPrefix ?? ""}…` })}
        ${text("labels", "Labels, with commas")}${text("reviewers", "Reviewers, with commas")}</div>
      ${me?.allow.length > 0 && html`<fieldset><legend>May also change</legend>${me.allow.map((rule) => html`<${Switch} name=${`allow-${rule}`}
        title=${rule.replaceAll("_", " ")} values=${values} set=${set} />`)}</fieldset>`}
    </details>
    <${Allowed} values=${values} me=${me} />
    <${ProblemNote} problem=${problem} />
    <div class="acts" data-start><${ActButton} kind="primary" act=${start} onProblem=${setProblem}
      disabled=${!values.repo?.trim() || !values.prompt?.trim()}>Start the run<//>
      <a class="button quiet" href=${address("new", "", values)}>Link to this form</a></div>
  </form></div>`;
}

function Field({ name, title, rows, ...more }) {
  const shared = { id: `new-${name}`, name, ...more, value: more.value ?? "" };
  return html`<div class="field"><label for=${`new-${name}`}>${title}</label>
    ${rows ? html`<textarea rows=${rows} ...${shared}></textarea>` : html`<input type="text" spellcheck="false" ...${shared} />`}</div>`;
}

function Switch({ name, title, values, set }) {
  return html`<label class="switch"><input type="checkbox" checked=${Boolean(values[name])} onChange=${set(name)} />${title}</label>`;
}

/** What the service's token may do there. */
function Rights({ rights }) {
  if (!rights) return null;
  if (rights.problem) return html`<${ProblemNote} problem=${rights.problem} />`;
  if (!rights.repo?.read) return html`<p class="note warn">The service cannot read this repository. Check its name, and what the service may use.</p>`;
  if (!rights.repo.push) return html`<p class="note warn">The service may read it and not push to it.</p>`;
  return html`<p class="note good">The service may read it and push a branch.</p>`;
}

/** What the run will be allowed, in words. */
function Allowed({ values, me }) {
  const most = Number(values.money || me?.limits.maxCostUsd || 0);
  const rules = allowed(values, me).map((rule) => rule.replaceAll("_", " "));
  return html`<div class="card allowed"><h2>What it may do</h2><ul>
    <li>${most ? `Spend up to ${money(most)}.` : "Spend without a limit of its own."}</li>
    <li>Work for ${duration(1000 * (values.time || me?.limits.timeoutS || 0))} at most, with ${plural(Number(values.rounds || me?.limits.maxFixRounds || 0), "fix round")}.</li>
    <li>Run the repository's code in a sandbox that holds no secret of the service.</li>
    <li>Push one new branch and open ${values.draft ? "a draft" : "a pull request"}; it never merges.</li>
    <li>${values.approve ? "It waits for your word on the plan." : "It does not wait for you."}</li>
    ${rules.length > 0 && html`<li>It may also change ${rules.join(", ")}.</li>`}
  </ul></div>`;
}

/** Those of runs that this key sees, those that it may use by name, and those that the forge lists. */
function offered(globs, listed, rows) {
  const named = globs.filter((glob) => !/[*?[]/.test(glob));
  return [...new Set([...rows.map((run) => repositoryName(run.repoUrl)), ...named, ...listed])].sort();
}

function placeholderOf(globs) {
  return globs.length && !globs.includes("*") ? globs.slice(0, 3).join(", ") : "OWNER/REPO";
}

/** The rules of the gate that are ticked. */
function allowed(values, me) {
  return (me?.allow ?? []).filter((rule) => values[`allow-${rule}`]);
}

function valueOf(input) {
  return input.type === "checkbox" ? (input.checked ? "yes" : "") : input.value;
}

function hasOptions(values) {
  const folded = ["money", "rounds", "time", "model", "setup", "validate", "only", "title", "branch", "labels", "reviewers"];
  return folded.some((name) => values[name]) || Object.keys(values).some((name) => name.startsWith("allow-") && values[name]);
}

function bodyOf(values, me) {
  const body = {};
  for (const [name, field] of Object.entries(TEXTS)) if (values[name]?.trim()) body[field] = values[name].trim();
  for (const [name, field] of Object.entries(NUMBERS)) if (values[name]) body[field] = Number(values[name]);
  for (const [name, field] of Object.entries(SWITCHES)) if (values[name]) body[field] = true;
  for (const [name, field] of Object.entries(LISTS)) {
    const items = (values[name] ?? "").split(name === "setup" || name === "validate" ? "\n" : ",").map((item) => item.trim()).filter(Boolean);
    if (items.length) body[field] = items;
  }
  const allow = allowed(values, me);
  return allow.length ? { ...body, allow } : body;
}
