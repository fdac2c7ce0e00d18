// One run: its view, and its log as it grows.

import { RunLog } from "../model/run_log.js";
import { json, request } from "./calls.js";
import { EventStream } from "./event_stream.js";

const SOON_MS = 150;
const LATER_MS = 4000;
/** Events after which the view says something new. */
const TELLING = /^(run|node|plan|environment|baseline|validation|review|gate|pr|message)\./;

export class RunFeed {
  constructor(runId, onChange) {
    this.runId = runId;
    this.path = `/runs/${encodeURIComponent(runId)}`;
    this.onChange = onChange;
    this.log = new RunLog();
    this.view = null;
    this.problem = null;
    this.state = "loading";
    this.version = 0;
    this.timer = null;
    this.dueAt = Infinity;
    this.stream = null;
  }

  async start() {
    await this.look();
    if (this.view && !this.closed) this.follow();
  }

  close() {
    this.closed = true;
    this.stream?.close();
    clearTimeout(this.timer);
  }

  /** Read on; while the page is hidden nothing is read. */
  follow() {
    this.stream?.close();
    this.stream = new EventStream(`${this.path}/events`, {
      lastId: this.log.lastSeq ? String(this.log.lastSeq) : null,
      onEvents: (events) => this.take(events),
      onState: (state) => { this.state = state; this.tell(); },
    });
  }

  take(events) {
    this.log.append(events.map((event) => event.data));
    if (events.some((event) => TELLING.test(event.type))) this.lookIn(SOON_MS);
    else if (events.some((event) => event.type === "usage")) this.lookIn(LATER_MS);
    this.tell();
  }

  lookIn(ms) {
    const at = Date.now() + ms;
    if (at >= this.dueAt) return;
    clearTimeout(this.timer);
    this.dueAt = at;
    this.timer = setTimeout(() => this.look(), ms);
  }

  async look() {
    this.dueAt = Infinity;
    try {
      this.view = await json("GET", this.path);
      this.problem = null;
    } catch (problem) {
      this.problem = problem;
    }
    if (!this.closed) this.tell();
  }

  tell() {
    this.version += 1;
    this.onChange();
  }

  /** The run as the list shows it, with what the log knows sooner. */
  get run() {
    const cost = this.log.facts.costUsd ?? 0;
    return { ...this.view, costUsd: this.view.costUsd === null ? null : Math.max(this.view.costUsd, cost) };
  }

  async act(name, body) {
    await request("POST", `${this.path}/${name}`, { body });
    await this.look();
    if (this.state === "ended") this.follow();
  }

  answerPlan(answer) {
    return this.act("plan", { planId: this.view.planId, ...answer });
  }

  async diff() {
    const answer = await request("GET", `${this.path}/diff`);
    return answer.status === 204 ? "" : answer.text();
  }
}
