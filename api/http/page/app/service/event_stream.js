// Server-sent events by fetch: it goes on where it was cut, waits longer after each failure, and
// hands events over in batches, so that a long log is drawn in few steps.

import { isFinal, request } from "./calls.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const BATCH_MS = 60;
/** Three times the pause between the server's signs of life. */
const SILENT_MS = 45_000;

/** Reads `path` until its end or `close()`. `onEvents` gets lists of {id, type, data}; `onState`
 *  gets "live", "lost" or "ended". `lastId` is the event read last. */
export class EventStream {
  constructor(path, { onEvents, onState = () => {}, lastId = null }) {
    this.path = path;
    this.lastId = lastId;
    this.onEvents = onEvents;
    this.onState = onState;
    this.batch = [];
    this.timer = null;
    this.flushedAt = 0;
    this.waitMs = FIRST_WAIT_MS;
    this.abort = new AbortController();
    this.run();
  }

  close() {
    this.abort.abort();
    clearTimeout(this.timer);
    this.batch = [];
  }

  async run() {
    while (!this.abort.signal.aborted) {
      try {
        if (await this.read()) return this.end();
      } catch (error) {
        if (this.abort.signal.aborted) return;
        if (isFinal(error)) return this.end();
        this.waitMs = Math.max(this.waitMs, (error.retryAfterS ?? 0) * 1000);
        this.onState("lost");
      }
      await pause(this.waitMs, this.abort.signal);
      this.waitMs = Math.min(this.waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  /** Read until the connection's end; true where nothing more will come. */
  async read() {
    const headers = { Accept: "text/event-stream" };
    if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
    const answer = await request("GET", this.path, { headers, signal: this.abort.signal });
    if (answer.status === 204) return true;
    this.onState("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await this.heard(reader);
      if (done) return this.lastType === "run.finished";
      this.waitMs = FIRST_WAIT_MS;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) this.take(frame);
      if (this.batch.length) this.flushSoon();
    }
  }

  /** The next piece. Raises where none comes: a connection may end without a word. */
  async heard(reader) {
    let timer;
    const silence = new Promise((_, refuse) => { timer = setTimeout(() => refuse(new Error("silent")), SILENT_MS); });
    try {
      return await Promise.race([reader.read(), silence]);
    } catch (error) {
      reader.cancel().catch(() => {});
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  take(frame) {
    const event = { id: null, type: "message", data: "" };
    for (const line of frame.split("\n")) {
      const colon = line.indexOf(":");
      if (colon < 1) continue;
      const value = line.slice(colon + 1).replace(/^ /, "");
      const name = line.slice(0, colon);
      if (name === "id") event.id = value;
      else if (name === "event") event.type = value;
      else if (name === "data") event.data += event.data ? `\n${value}` : value;
    }
    if (!event.data) return;
    if (event.id !== null) this.lastId = event.id;
    this.lastType = event.type;
    this.batch.push({ ...event, data: JSON.parse(event.data) });
  }

  /** At once where the last batch was a while ago. */
  flushSoon() {
    const dueInMs = this.flushedAt + BATCH_MS - performance.now();
    if (dueInMs <= 0) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), dueInMs);
  }

  flush() {
    clearTimeout(this.timer);
    this.timer = null;
    this.flushedAt = performance.now();
    const batch = this.batch;
    this.batch = [];
    if (batch.length && !this.abort.signal.aborted) this.onEvents(batch);
  }

  end() {
    this.flush();
    this.onState("ended");
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
