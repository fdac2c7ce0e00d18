// The rows of all runs that the reader may see, kept up to date while somebody looks.

import { json } from "./calls.js";

const PAGE = 100;
const FIRST_PAGES = 5;
const EVERY_MS = 2000;

/** One feed for the whole page: `rows` newest first, `more` where there are older ones. */
export class RunsFeed {
  constructor() {
    this.byId = new Map();
    this.rows = [];
    this.cursor = null;
    this.state = "loading";
    this.problem = null;
    this.listeners = new Set();
    this.timer = null;
  }

  /** Call `listener` after each change; returns what ends that. */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async start() {
    this.stop();
    try {
      await this.load(FIRST_PAGES);
      this.tell("live");
    } catch (problem) {
      this.problem = problem;
      this.tell("lost");
    }
    this.timer = setTimeout(() => this.look(), EVERY_MS);
  }

  stop() {
    clearTimeout(this.timer);
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

  async look() {
    try {
      this.put((await json("GET", `/runs?limit=${PAGE}`)).runs);
      this.problem = null;
      this.tell("live");
    } catch (problem) {
      this.problem = problem;
      this.tell("lost");
    }
    this.timer = setTimeout(() => this.look(), document.hidden ? EVERY_MS * 10 : EVERY_MS);
  }

  put(rows) {
    for (const row of rows) this.byId.set(row.runId, row);
  }

  /** A row is gone, or was never ours. */
  remove(runId) {
    this.byId.delete(runId);
    this.tell(this.state);
  }

  tell(state) {
    this.state = state;
    this.rows = [...this.byId.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    for (const listener of this.listeners) listener(this);
  }
}
