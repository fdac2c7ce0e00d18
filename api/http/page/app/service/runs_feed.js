// The rows of all runs that the reader may see, kept up to date by one stream.

import { json } from "./calls.js";
import { EventStream } from "./event_stream.js";

const PAGE = 100;
const FIRST_PAGES = 5;
const AGAIN_MS = 3000;
const REST_AFTER_MS = 60_000;

/** One feed for the whole page: `rows` newest first, `more` where there are older ones. */
export class RunsFeed {
  constructor() {
    this.byId = new Map();
    this.removed = new Set();
    this.rows = [];
    this.cursor = null;
    this.state = "loading";
    this.problem = null;
    this.listeners = new Set();
    this.stream = null;
    this.lastId = null;
    this.timer = null;
  }

  /** Call `listener` after each change; returns what ends that. */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Follow changes, then read the list: nothing falls between them. */
  async start() {
    this.stop();
    this.follow();
    try {
      this.cursor = null;
      await this.load(FIRST_PAGES);
      this.problem = null;
      this.tell(this.state === "loading" ? "live" : this.state);
    } catch (problem) {
      this.problem = problem;
      this.tell("lost");
      if (problem.status !== 401) this.timer = setTimeout(() => this.start(), AGAIN_MS);
    }
  }

  stop() {
    clearTimeout(this.timer);
    this.stream?.close();
    this.stream = null;
  }

  follow() {
    this.stream = new EventStream("/events", {
      lastId: this.lastId,
      onEvents: (events) => {
        this.lastId = this.stream.lastId;
        for (const { type, data } of events) {
          if (type === "run") this.put([data]);
          else if (type === "run.removed") this.remove(data.runId);
        }
        this.tell("live");
      },
      onState: (state) => { if (this.state !== "loading") this.tell(state); },
    });
  }

  /** Rest where nobody looks for a while and nobody is to be notified. */
  pause(hidden, notifies) {
    clearTimeout(this.timer);
    if (hidden && !notifies) this.timer = setTimeout(() => this.stop(), REST_AFTER_MS);
    else if (!hidden && !this.stream) this.follow();
  }

  /** Load up to `pages` older pages. */
  async load(pages = 1) {
    for (let page = 0; page < pages; page += 1) {
      const query = new URLSearchParams({ limit: PAGE });
      if (this.cursor) query.set("cursor", this.cursor);
      const answer = await json("GET", `/runs?${query}`);
      this.put(answer.runs);
      this.cursor = answer.nextCursor;
      if (!this.cursor) break;
    }
    this.tell(this.state);
  }

  get more() {
    return this.cursor !== null;
  }

  /** A page of the list that was read before may still be on its way. */
  remove(runId) {
    this.removed.add(runId);
    this.byId.delete(runId);
  }

  /** Keep the newest of each row: the list and the stream may cross. */
  put(rows) {
    for (const row of rows) {
      if (this.removed.has(row.runId)) continue;
      const known = this.byId.get(row.runId);
      if (!known || known.updatedAt <= row.updatedAt) this.byId.set(row.runId, row);
    }
  }

  tell(state) {
    this.state = state;
    this.rows = [...this.byId.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    for (const listener of this.listeners) listener(this);
  }
}
