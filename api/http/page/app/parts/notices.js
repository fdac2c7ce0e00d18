// The title's count of waiting runs, and a notification when a run waits or ends. Asked for once.

import { html, useState } from "../../htm-preact/preact-standalone.js";
import { firstLine } from "../model/safe_text.js";
import { groupOf, statusSentence, statusWord } from "../model/status.js";
import { address } from "../service/route.js";

const ASKED = "coding-agent.notifications-asked";
const known = new Map();

/** Keep the title, and notify, after each change of the feed; returns what ends that. */
export function watchRuns(feed, who) {
  return feed.subscribe(() => {
    if (feed.state === "loading") return;
    const first = !known.size;
    for (const run of feed.rows) {
      const before = known.get(run.runId);
      known.set(run.runId, run.status);
      const isNews = before !== undefined && before !== run.status && groupOf(run, who()) !== "working";
      if (isNews && !first) notify(run);
    }
    showTitle(feed.rows.filter((run) => groupOf(run, who()) === "waiting").length);
  });
}

let screenTitle = "Runs";
let waitingRuns = 0;

/** The title of the screen; the number of waiting runs stands before it. */
export function setTitle(title) {
  screenTitle = title;
  showTitle(waitingRuns);
}

function showTitle(waiting) {
  waitingRuns = waiting;
  document.title = `${waiting ? `(${waiting}) ` : ""}${screenTitle} · Coding agent`;
}

export function mayNotify() {
  return "Notification" in window && Notification.permission === "granted";
}

function notify(run) {
  if (!mayNotify()) return;
  const title = `${statusWord(run.status)}: ${firstLine(run.prompt, 80)}`;
  let notification;
  try {
    notification = new Notification(title, { body: statusSentence(run), tag: run.runId });
  } catch (error) {
    if (error instanceof TypeError) return; // Chrome on Android has the class and refuses to make one
    throw error;
  }
  notification.onclick = () => {
    window.focus();
    location.hash = address("runs", run.runId);
    notification.close();
  };
}

/** Whether it was asked before; also where this browser keeps nothing of a page. */
function wasAsked() {
  try {
    return Boolean(localStorage.getItem(ASKED));
  } catch {
    return true;
  }
}

/** The one question whether this browser may notify. */
export function Notice() {
  const may = "Notification" in window && Notification.permission === "default" && window.isSecureContext;
  const [open, setOpen] = useState(may && !wasAsked());
  if (!open) return null;
  const answer = async (yes) => {
    localStorage.setItem(ASKED, "yes");
    setOpen(false);
    if (yes) await Notification.requestPermission();
  };
  return html`<div class="notice" role="region" aria-label="Notifications">
    <span>A notification when a run waits or ends?</span>
    <button type="button" class="button small" onClick=${() => answer(true)}>Yes</button>
    <button type="button" class="button small quiet" onClick=${() => answer(false)}>No</button>
  </div>`;
}
