// One run: its view, and its log as it grows.

import { RunLog } from "../model/run_log.js";
import { isFinal, json, pauseAfter, request } from "./calls.js";
import { EventStream } from "./event_stream.js";

const NEWEST = 200;
const OLDER = 500;
/** Events of any size that one page always holds. */
const SURE = 60;
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
    this.looks = 0;
    this.seen = 0;
    this.timer = null;
    this.dueAt = Infinity;
    this.stream = null;
    this.newLog = null;
    this.restsSince = 0;
    this.readsOld = false;
  }

  start() {
    return this.look();
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
    this.log.append(events.map((event) => event.data), this.readsOld);
    if (events.some((event) => TELLING.test(event.type))) this.lookIn(SOON_MS);
    else if (events.some((event) => event.type === "usage")) this.lookIn(LATER_MS);
    this.tell();
  }

  /** Read a page of events before the first that is here. */
  loadOlder() {
    const read = this.log.lastSeq - this.log.firstSeq + 1;
    const isBehind = this.state !== "ended" && read < NEWEST; // the newest are on their way
    if (isBehind || !this.log.hasOlder) return;
    return this.load(async (log) => log.prepend(await this.page(log.firstSeq, OLDER)));
  }

  /** Read a page of events after the last that is here. */
  loadNewer() {
    if (!this.log.hasNewer) return;
    return this.load(async (log) => {
      const next = log.heldSeq + 1;
      const page = await this.page(next + OLDER, OLDER);
      log.extend(page[0]?.seq <= next ? page : await this.page(next + SURE, SURE)); // large ones fill a page
    });
  }

  /** Read a page, one at a time; where that fails the next try is a while later. */
  async load(read) {
    if (this.loading) return;
    this.loading = true;
    try {
      await read(this.log);
    } catch (problem) {
      this.problem = problem;
      await new Promise((resolve) => setTimeout(resolve, pauseAfter(problem)));
    }
    this.loading = false;
    if (!this.closed) this.tell();
  }

  /** At most `count` events before number `before`. */
  async page(before, count) {
    const query = new URLSearchParams({ before, last: count });
    return (await json("GET", `${this.path}/events?${query}`)).events;
  }

  /** What the reader looks at: older events, or the newest ones. */
  read(old) {
    this.readsOld = old;
    this.tell();
  }

  /** Show the newest events where the last ones are not here any more. */
  toNewest() {
    if (!this.log.hasNewer) return;
    this.newLog = new RunLog();
    this.follow();
  }

  /** What the list of all runs says of this one: somebody elsewhere may have carried it on. */
  hear(row) {
    if (this.state !== "ended" || !this.view || document.hidden || !(row?.attempt > this.view.attempt)) return;
    this.view = { ...this.view, ...row };
    this.look();
    this.follow();
  }

  /** Go on in a new session. */
  wake() {
    this.look();
    if (this.view) this.follow();
  }

  /** Rest while nobody looks. Then go on where it was, or after a long rest with the newest. */
  pause(hidden) {
    if (this.state === "ended" || !this.view) return;
    if (hidden) {
      this.restsSince = Date.now();
      this.stream?.close();
      return;
    }
    if (!this.readsOld && Date.now() - this.restsSince > LONG_REST_MS) this.newLog = new RunLog();
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

  /** Read the view, again a while later where that fails; begin to follow the log. */
  async look() {
    this.dueAt = Infinity;
    this.looks += 1;
    const number = this.looks;
    try {
      const view = await json("GET", this.path);
      if (number > this.seen) this.view = view; // a slow answer may come after a newer one
      this.seen = Math.max(this.seen, number);
      this.problem = null;
    } catch (problem) {
      this.problem = problem;
      if (!this.closed && !isFinal(problem)) this.lookIn(pauseAfter(problem));
    }
    if (this.closed) return;
    if (this.view && !this.stream && !document.hidden) this.follow();
    this.tell();
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

  async diff() {
    const answer = await request("GET", `${this.path}/diff`);
    return answer.status === 204 ? "" : answer.text();
  }
}
