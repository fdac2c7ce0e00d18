// A run's events as the items of its timeline. Items stay the same objects while they change.

import { editOf } from "./edit.js";

const MOST_ITEMS = 8000;
const LONGEST_TEXT = 20_000;
/** Events that make no item of their own. */
const SILENT = new Set(["usage", "run.queued", "plan.waiting", "stream.end", "environment.ready"]);

export class RunLog {
  constructor() {
    this.items = [];
    this.calls = new Map();
    this.nodes = new Map();
    this.firstSeq = null;
    this.lastSeq = 0;
    this.dropped = false;
    this.facts = {};
  }

  /** Whether older events are not here. */
  get hasOlder() {
    return this.firstSeq !== null && this.firstSeq > 1;
  }

  /** Add events that follow the last one; those that are here already add nothing. */
  append(events) {
    for (const event of events) {
      if (!(event.seq > this.lastSeq)) continue;
      this.firstSeq ??= event.seq;
      this.lastSeq = event.seq;
      this.note(event);
      this.take(event, this.items);
    }
    if (this.items.length > MOST_ITEMS * 1.25) this.forget(this.items.length - MOST_ITEMS);
  }

  /** Put events before the first one. */
  prepend(events) {
    const older = events.filter((event) => event.seq < this.firstSeq);
    if (!older.length) return;
    const items = [];
    for (const event of older) this.take(event, items);
    this.firstSeq = older[0].seq;
    this.items = [...items, ...this.items.filter((item) => !item.merged)];
  }

  /** What the events have told besides items. */
  note(event) {
    if (event.type === "run.started") Object.assign(this.facts, { models: event.models, version: event.version });
    if (event.type === "change.updated") Object.assign(this.facts, { files: event.files, digest: event.digest });
    if (event.type === "usage" && event.runCostUsd !== null) this.facts.costUsd = event.runCostUsd;
    if (event.type === "proof.finished") this.facts.proof = event;
    if (event.type === "node.started") this.facts.node = event.node;
    if (event.type === "run.finished") this.facts.end = event;
  }

  take(event, items) {
    const { type } = event;
    if (SILENT.has(type)) return;
    if (type === "role.text" || type === "role.thinking") this.say(event, items);
    else if (type === "tool.started") this.beginCall(event, items);
    else if (type === "tool.finished") this.endCall(event, items);
    else if (type === "node.started") this.beginNode(event, items);
    else if (type === "node.finished") this.endNode(event, items);
    else items.push({ key: event.seq, kind: type, event, time: event.time, open: null });
  }

  say(event, items) {
    const kind = event.type === "role.text" ? "say" : "think";
    const last = items.at(-1);
    if (last?.kind === kind && last.role === event.role && last.text.length < LONGEST_TEXT) {
      last.text += event.text;
      return;
    }
    items.push({ key: event.seq, kind, role: event.role, text: event.text, time: event.time, open: null });
  }

  beginCall(event, items) {
    const later = this.calls.get(event.callId);
    const item = later?.tool ? later : {
      key: event.seq, kind: "tool", role: event.role, tool: event.tool, input: event.input,
      edit: editOf(event.tool, event.input), time: event.time, done: false, open: null,
    };
    if (later && !later.tool) {
      later.merged = true; // its end was read before its beginning
      Object.assign(item, { done: true, ok: later.ok, output: later.output, exitCode: later.exitCode, durationMs: later.durationMs });
    }
    this.calls.set(event.callId, item);
    items.push(item);
  }

  endCall(event, items) {
    const { ok, output, exitCode, durationMs } = event;
    let item = this.calls.get(event.callId);
    if (!item) {
      item = { key: event.seq, kind: "tool", role: "", tool: "", input: null, edit: null, time: event.time, open: null };
      this.calls.set(event.callId, item);
      items.push(item);
    }
    Object.assign(item, { done: true, ok, output, exitCode, durationMs });
  }

  beginNode(event, items) {
    const item = { key: event.seq, kind: "node", node: event.node, visit: event.visit, time: event.time, open: null };
    const later = this.nodes.get(`${event.node}:${event.visit}`);
    if (later) Object.assign(item, later.end);
    this.nodes.set(`${event.node}:${event.visit}`, item);
    items.push(item);
  }

  endNode(event, items) {
    const end = { outcome: event.outcome, durationMs: event.durationMs };
    const item = this.nodes.get(`${event.node}:${event.visit}`);
    if (item) Object.assign(item, end);
    else this.nodes.set(`${event.node}:${event.visit}`, { end });
    for (const text of event.notes ?? []) {
      items.push({ key: `${event.seq}:${text}`, kind: "hint", text, time: event.time, open: null });
    }
  }

  /** Drop the oldest items; they can be read again. */
  forget(count) {
    const gone = this.items.splice(0, count);
    const first = this.items.find((item) => typeof item.key === "number");
    this.firstSeq = first?.key ?? this.firstSeq;
    const kept = new Set(this.items);
    for (const [callId, item] of this.calls) if (!kept.has(item)) this.calls.delete(callId);
    this.dropped ||= gone.length > 0;
  }
}
