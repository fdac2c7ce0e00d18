// One run: its view, and its log as it grows.

import { RunLog } from "../model/run_log.js";
import { json, request } from "./calls.js";
import { EventStream } from "./event_stream.js";

const NEWEST = 200;
const OLDER = 500;
const LONG_REST_MS = 30_000;
const SOON_MS = 150;
const LATER_MS = 4000;
/** Events after which the view says something new. */
const TELLING = /^(run|node|plan|environment|baseline|validation|proof|review|change|gate|pr|message|cancel|limits)\./;

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
    this.newLog = null;
    this.restsSince = 0;
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

  /** Read on from the last event, or from the newest ones. */
  follow() {
    this.stream?.close();
    this.stream = new EventStream(`${this.path}/events?last=${NEWEST}`, {
      lastId: this.log.lastSeq && !this.newLog ? String(this.log.lastSeq) : null,
      onEvents: (events) => this.take(events),
      onState: (state) => { this.state = state; this.tell(); },
    });
  }

  take(events) {
    if (this.newLog) this.log = this.newLog; // what was drawn stays until there is something newer
    this.newLog = null;
    this.log.append(events.map((event) => event.data));
    if (events.some((event) => TELLING.test(event.type))) this.lookIn(SOON_MS);
    else if (events.some((event) => event.type === "usage")) this.lookIn(LATER_MS);
    this.tell();
  }

  /** Read a page of events before the first that is here. */
  async loadOlder() {
    const read = this.log.lastSeq - this.log.firstSeq + 1;
    const isBehind = this.state !== "ended" && read < NEWEST; // the newest are on their way
    if (this.loading || isBehind || !this.log.hasOlder) return;
    this.loading = true;
    try {
      const query = new URLSearchParams({ before: this.log.firstSeq, last: OLDER });
      const page = await json("GET", `${this.path}/events?${query}`);
      this.log.prepend(page.events);
    } catch (problem) {
      this.problem = problem;
    }
    this.loading = false;
    if (!this.closed) this.tell();
  }

  /** Go on in a new session. */
  wake() {
    if (!this.view) return this.start();
    this.look();
    this.follow();
  }

  /** Rest while nobody looks. Then go on where it was, or after a long rest with the newest. */
  pause(hidden) {
    if (this.state === "ended" || !this.view) return;
    if (hidden) {
      this.restsSince = Date.now();
      this.stream?.close();
      return;
    }
    if (Date.now() - this.restsSince > LONG_REST_MS) this.newLog = new RunLog();
    this.look();
    this.follow();
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
    const { costUsd } = this.view;
    return { ...this.view, costUsd: costUsd === null ? null : Math.max(costUsd, this.log.costUsd) };
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
