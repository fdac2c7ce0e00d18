// A run's events as the items of its timeline. Items stay the same objects while they change.

import { editOf } from "./edit.js";

const MOST_ITEMS = 8000;
const MOST_CHARACTERS = 20e6;
/** So much more than is kept may be there before some go. */
const SLACK = 1.25;
const LONGEST_TEXT = 20_000;
/** Characters that a line of an edit takes beside its text. */
const LINE_SIZE = 60;
/** Events that make no item of their own. */
const SILENT = new Set(["usage", "run.queued", "plan.waiting", "stream.end", "environment.ready"]);

/** A window of the log: events `firstSeq` to `heldSeq` are here, `lastSeq` is the newest that was told. */
export class RunLog {
  constructor() {
    this.items = [];
    this.calls = new Map();
    this.nodes = new Map();
    this.messages = new Map();
    this.firstSeq = null;
    this.heldSeq = 0;
    this.lastSeq = 0;
    this.costUsd = 0;
  }

  /** Whether older events are not here. */
  get hasOlder() {
    return this.firstSeq !== null && this.firstSeq > 1;
  }

  /** Whether newer events are not here. */
  get hasNewer() {
    return this.heldSeq < this.lastSeq;
  }

  /** Add events that were just told; those that are here already add nothing. `readsOld`: what is
   *  looked at are older ones, which stay. */
  append(events, readsOld = false) {
    const isWhole = !this.hasNewer;
    for (const event of events) {
      if (!(event.seq > this.lastSeq)) continue;
      this.firstSeq ??= event.seq;
      this.lastSeq = event.seq;
      this.note(event);
      if (isWhole && event.seq > this.heldSeq) this.hold(event); // a page may have come first
    }
    if (readsOld) this.forgetNewest();
    else this.forgetOldest();
  }

  /** Put a page of events after the last one that is here. */
  extend(events) {
    for (const event of events) if (event.seq > this.heldSeq) this.hold(event);
    this.forgetOldest();
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
    this.forgetNewest();
  }

  hold(event) {
    this.heldSeq = event.seq;
    this.take(event, this.items);
  }

  /** Drop the oldest items where there are too many; they can be read again. */
  forgetOldest() {
    const kept = this.fitting([...this.items].reverse());
    if (kept === this.items.length) return;
    const dropped = this.items.splice(0, this.items.length - kept);
    this.firstSeq = this.items[0].seq;
    for (const { callId, endSeq } of dropped) if (endSeq < this.firstSeq) this.calls.delete(callId);
  }

  /** The same with the newest. */
  forgetNewest() {
    const kept = this.fitting(this.items);
    if (kept === this.items.length) return;
    const dropped = this.items.splice(kept);
    this.heldSeq = dropped[0].seq - 1;
    for (const { callId } of dropped) this.calls.delete(callId);
  }

  /** How many of these items, from the first on, are kept. */
  fitting(items) {
    const size = items.reduce((sum, item) => sum + sizeOf(item), 0);
    if (items.length <= MOST_ITEMS * SLACK && size <= MOST_CHARACTERS * SLACK) return items.length;
    let kept = 0;
    for (let sum = 0; kept < Math.min(items.length, MOST_ITEMS) && sum < MOST_CHARACTERS; kept += 1) sum += sizeOf(items[kept]);
    return Math.max(kept, 1);
  }

  /** The newest cost, sooner than the view has it. */
  note(event) {
    if (event.type === "usage" && event.runCostUsd !== null) this.costUsd = event.runCostUsd;
  }

  take(event, items) {
    const { type, seq, time } = event;
    if (SILENT.has(type)) return;
    if (type === "role.text" || type === "role.thinking") this.say(event, items);
    else if (type === "tool.started") this.beginCall(event, items);
    else if (type === "tool.finished") this.endCall(event, items);
    else if (type === "node.started") this.beginNode(event, items);
    else if (type === "node.finished") this.endNode(event, items);
    else if (type.startsWith("message.")) this.passMessage(event, items);
    else items.push({ key: seq, seq, kind: type, event, time, open: null, size: JSON.stringify(event).length });
  }

  say(event, items) {
    const kind = event.type === "role.text" ? "say" : "think";
    const last = items.at(-1);
    if (last?.kind === kind && last.role === event.role && last.text.length < LONGEST_TEXT) {
      last.text += event.text;
      return;
    }
    const { seq, role, text, time } = event;
    this.put({ key: seq, seq, kind, role, text, time, open: null }, items);
  }

  /** Add an item of a role; `again`: the item before is of the same one. */
  put(item, items) {
    item.again = items.at(-1)?.role === item.role;
    items.push(item);
  }

  beginCall(event, items) {
    const known = this.calls.get(event.callId); // its end may have been read before its beginning
    const item = known ?? { key: event.seq, kind: "tool", done: false, open: null };
    const { seq, callId, role, tool, input, time } = event;
    const edit = editOf(tool, input);
    const size = JSON.stringify(input ?? null).length + LINE_SIZE * (edit?.lines.length ?? 0);
    Object.assign(item, { seq, callId, role, tool, input, time, edit, size });
    this.calls.set(callId, item);
    this.put(item, items);
  }

  endCall(event, items) {
    const { seq, callId, ok, output, exitCode, durationMs, time } = event;
    let item = this.calls.get(callId);
    if (!item) {
      item = { key: seq, seq, callId, kind: "tool", role: "", tool: "", input: null, edit: null, time, open: null };
      this.calls.set(callId, item);
      items.push(item);
    }
    Object.assign(item, { done: true, endSeq: seq, ok, output, exitCode, durationMs });
  }

  beginNode(event, items) {
    const { seq, node, visit, time } = event;
    const known = this.visitOf(event);
    known.item = { key: seq, seq, kind: "node", node, visit, time, open: null, ...known.end };
    items.push(known.item);
  }

  endNode(event, items) {
    const { seq, outcome, durationMs, time } = event;
    const known = this.visitOf(event);
    known.end = { outcome, durationMs };
    if (known.item) Object.assign(known.item, known.end);
    for (const text of event.notes ?? []) items.push({ key: `${seq}:${text}`, seq, kind: "hint", text, time, open: null });
  }

  /** {item, end} of a visit of a node, as far as they were read. */
  visitOf({ node, visit }) {
    const name = `${node}:${visit}`;
    if (!this.nodes.has(name)) this.nodes.set(name, {});
    return this.nodes.get(name);
  }

  /** A message is one item; its state is the newest that was told: queued, read, answered. */
  passMessage(event, items) {
    const known = this.messages.get(event.number) ?? { state: null };
    this.messages.set(event.number, known);
    if (event.type === "message.received") {
      const { seq, text, by, time } = event;
      Object.assign(known, { key: seq, seq, kind: "message", text, by, time, open: null });
      items.push(known);
    } else if (known.state?.type !== "message.answered") {
      known.state = event;
    }
  }
}

function sizeOf({ size = 0, text = "", output = "" }) {
  return size + text.length + output.length;
}
