// A run's events as the items of its timeline. Items stay the same objects while they change.

import { editOf } from "./edit.js";

const MOST_ITEMS = 8000;
const MOST_CHARACTERS = 20e6;
const LONGEST_TEXT = 20_000;
/** Events that make no item of their own. */
const SILENT = new Set(["usage", "run.queued", "plan.waiting", "stream.end", "environment.ready"]);

export class RunLog {
  constructor() {
    this.items = [];
    this.calls = new Map();
    this.nodes = new Map();
    this.messages = new Map();
    this.firstSeq = null;
    this.lastSeq = 0;
    this.costUsd = 0;
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
    this.forget(this.excess());
  }

  /** How many of the oldest items are more than is kept, by number or by length. */
  excess() {
    const many = this.items.length > MOST_ITEMS * 1.25 ? this.items.length - MOST_ITEMS : 0;
    let at = this.items.length;
    for (let characters = 0; at > many && characters < MOST_CHARACTERS; at -= 1) {
      const { output, text } = this.items[at - 1];
      characters += (output?.length ?? 0) + (text?.length ?? 0);
    }
    return Math.min(at, this.items.length - 1);
  }

  /** Put events before the first one. */
  prepend(events) {
    const older = events.filter((event) => event.seq < this.firstSeq);
    if (!older.length) return;
    const items = [];
    for (const event of older) this.take(event, items);
    this.firstSeq = older[0].seq;
    const moved = new Set(items);
    this.items = [...items, ...this.items.filter((item) => !moved.has(item))];
  }

  /** The newest cost, sooner than the view has it. */
  note(event) {
    if (event.type === "usage" && event.runCostUsd !== null) this.costUsd = event.runCostUsd;
  }

  take(event, items) {
    const { type } = event;
    if (SILENT.has(type)) return;
    if (type === "role.text" || type === "role.thinking") this.say(event, items);
    else if (type === "tool.started") this.beginCall(event, items);
    else if (type === "tool.finished") this.endCall(event, items);
    else if (type === "node.started") this.beginNode(event, items);
    else if (type === "node.finished") this.endNode(event, items);
    else if (type.startsWith("message.")) this.passMessage(event, items);
    else items.push({ key: event.seq, kind: type, event, time: event.time, open: null });
  }

  say(event, items) {
    const kind = event.type === "role.text" ? "say" : "think";
    const last = items.at(-1);
    if (last?.kind === kind && last.role === event.role && last.text.length < LONGEST_TEXT) {
      last.text += event.text;
      return;
    }
    const { role, text, time } = event;
    this.put({ key: event.seq, kind, role, text, time, open: null }, items);
  }

  /** Add an item of a role; `again`: the item before is of the same one. */
  put(item, items) {
    item.again = items.at(-1)?.role === item.role;
    items.push(item);
  }

  beginCall(event, items) {
    const known = this.calls.get(event.callId); // its end may have been read before its beginning
    const item = known ?? { key: event.seq, kind: "tool", done: false, open: null };
    const { role, tool, input, time } = event;
    Object.assign(item, { role, tool, input, time, edit: editOf(tool, input) });
    this.calls.set(event.callId, item);
    this.put(item, items);
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

  /** A message is one item; its state is the newest that was told: queued, read, answered. */
  passMessage(event, items) {
    const known = this.messages.get(event.number) ?? { state: null };
    this.messages.set(event.number, known);
    if (event.type === "message.received") {
      const { text, by, time } = event;
      Object.assign(known, { key: event.seq, kind: "message", text, by, time, open: null });
      items.push(known);
    } else if (known.state?.type !== "message.answered") {
      known.state = event;
    }
  }

  /** Drop the oldest items; they can be read again. */
  forget(count) {
    if (count <= 0) return;
    this.items = this.items.slice(count);
    const first = this.items.find((item) => typeof item.key === "number");
    this.firstSeq = first?.key ?? this.firstSeq;
    const kept = new Set(this.items);
    for (const [callId, item] of this.calls) if (!kept.has(item)) this.calls.delete(callId);
  }
}
