// What runs came to: one table by week and repository.

import { html, useEffect, useState } from "../../htm-preact/preact-standalone.js";
import { safeLine } from "../model/safe_text.js";
import { duration, money, plural } from "../model/units.js";
import { ProblemNote } from "../parts/basics.js";
import { setTitle } from "../parts/notices.js";
import { json } from "../service/calls.js";

const SPANS = [4, 12, 26, 53];

export function FiguresScreen() {
  const [weeks, setWeeks] = useState(12);
  const [rows, setRows] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => setTitle("Figures"), []);
  useEffect(() => {
    let there = true;
    setProblem(null);
    json("GET", `/figures?weeks=${weeks}`).then((answer) => there && setRows(answer.rows), (refused) => there && setProblem(refused));
    return () => { there = false; };
  }, [weeks]);
  return html`<div class="page figures">
    <div class="toolbar"><h1>Figures</h1>
      <label class="span" for="weeks">Weeks</label>
      <select id="weeks" value=${weeks} onChange=${(event) => setWeeks(Number(event.target.value))}>
        ${SPANS.map((count) => html`<option value=${count}>${count}</option>`)}</select>
      <a class="button" href=${`/figures?weeks=${weeks}&format=csv`} download="figures.csv">CSV</a></div>
    <${ProblemNote} problem=${problem} />
    ${rows?.length ? html`<${FiguresTable} rows=${rows} />`
      : !problem && html`<p class="empty" role="status">${rows ? "No run in these weeks." : "Loading …"}</p>`}
  </div>`;
}

function FiguresTable({ rows }) {
  return html`<div class="table-pane" tabindex="0" role="region" aria-label="Figures by week and repository"><table>
    <thead><tr><th scope="col">Week</th><th scope="col">Repository</th><th scope="col">Runs</th><th scope="col">Pull requests</th>
      <th scope="col">Merged</th><th scope="col">Money</th><th scope="col">Per merged</th><th scope="col">Time to pull request</th>
      <th scope="col">Left as drafts</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${`${row.week} ${row.repo}`}>
      <td>${row.week}</td><th scope="row">${safeLine(row.repo, 100)}</th><${Numbers} row=${row} />
      <td>${row.secondsToPullRequest === null ? dash() : duration(1000 * row.secondsToPullRequest)}</td>
      <td class="reasons">${Object.entries(row.drafts).map(([reason, count]) => html`<span>${count} × ${safeLine(reason).replaceAll("_", " ")}</span>`)}</td>
    </tr>`)}</tbody>
    <tfoot><tr><th scope="row" colspan="2">All</th><${Numbers} row=${sumOf(rows)} /><td></td><td></td></tr></tfoot>
  </table></div>
  <p class="dim">“Merged” is looked up at the forge; a dash says that it is not known. “Time to pull request” is the median from a run's start.</p>`;
}

function Numbers({ row }) {
  return html`<td>${row.runs}</td><td>${row.pullRequests}</td><td>${row.merged ?? dash()}</td>
    <td>${money(row.costUsd)}${row.unpriced > 0 && html` <span class="dim" title=${`${plural(row.unpriced, "run")} of unknown price`}>+?</span>`}</td>
    <td><strong>${row.costPerMergedUsd === null ? dash() : money(row.costPerMergedUsd)}</strong></td>`;
}

function dash() {
  return html`<span class="dim">–</span>`;
}

/** All rows together; what is unknown of one is unknown of all. */
function sumOf(rows) {
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const merged = rows.some((row) => row.merged === null) ? null : sum("merged");
  const costUsd = sum("costUsd");
  return {
    runs: sum("runs"), pullRequests: sum("pullRequests"), merged, costUsd, unpriced: sum("unpriced"),
    costPerMergedUsd: merged ? costUsd / merged : null,
  };
}
