// The rows of all runs that the reader may see, kept up to date by one stream.

import { json, pauseAfter } from "./calls.js";
import { EventStream } from "./event_stream.js";

const PAGE = 100;
const FIRST_PAGES = 5;
const REST_AFTER_MS = 60_000;
const WATCH = "coding-agent.watch";

/** One feed for the whole page: `rows` newest first, `more` where there are older ones. */
export class RunsFeed {
  constructor() {
    this.byId = new Map();
    this.removed = new Set();
    this.rows = [];
    this.cursor = null;
    this.isListed = false;
    this.heard = "live";
    this.problem = null;
    this.listeners = new Set();
    this.stream = null;
    this.lastId = null;
    this.listTimer = null;
    this.restTimer = null;
    this.endWatch = () => {};
  }

  /** "loading", "live", "lost" or "ended". */
  get state() {
    if (this.problem) return "lost";
    return this.isListed ? this.heard : "loading";
  }

  /** Call `listener` after each change; returns what ends that. */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Follow changes, then read the list: nothing falls between them. A tab that is `hidden` rests. */
  start(hidden, notifies) {
    this.stop();
    this.isListed = false;
    if (hidden) this.rest(notifies);
    else this.follow();
    return this.list();
  }

  stop() {
    clearTimeout(this.listTimer);
    this.leave();
  }

  /** Read the list; again a while later where that fails. */
  async list() {
    clearTimeout(this.listTimer);
    try {
      this.cursor = null;
      await this.load(FIRST_PAGES);
      this.problem = null;
      this.isListed = true;
    } catch (problem) {
      this.problem = problem;
      if (problem.status !== 401) this.listTimer = setTimeout(() => this.list(), pauseAfter(problem));
    }
    this.tell();
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
        this.tell();
      },
      onState: (state) => {
        this.heard = state;
        // Without a cursor nothing tells what has changed meanwhile.
        if (state === "live" && this.isListed && this.lastId === null) this.list();
        this.tell();
      },
    });
  }

  leave() {
    this.endWatch();
    this.stream?.close();
    this.stream = null;
  }

  /** Rest where nobody looks for a while, go on where somebody does. */
  pause(hidden, notifies) {
    clearTimeout(this.restTimer);
    if (hidden) this.restTimer = setTimeout(() => this.rest(notifies), REST_AFTER_MS);
    else this.wake();
  }

  /** Leave the stream. One tab of a browser that notifies stays: it has six connections in all. */
  rest(notifies) {
    this.leave();
    if (!notifies) return;
    const asked = new AbortController();
    const watch = () => new Promise((resolve) => {
      this.endWatch = resolve;
      this.follow();
    });
    this.endWatch = () => asked.abort();
    navigator.locks.request(WATCH, { signal: asked.signal }, watch).catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
  }

  wake() {
    this.endWatch();
    if (!this.stream) this.follow();
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
    this.tell();
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

  tell() {
    this.rows = [...this.byId.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    for (const listener of this.listeners) listener(this);
  }
}
