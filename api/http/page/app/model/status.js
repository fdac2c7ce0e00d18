// Statuses, reasons and nodes in words.

export const NODES = ["prepare", "plan", "approve", "code", "validate", "fix", "review", "publish"];
const LIVE = new Set(["queued", "running", "waiting"]);
const NOT_RESUMABLE = new Set(["succeeded", "no_changes", "rejected"]);

const STATUSES = {
  queued: ["Queued", "idle"],
  running: ["Running", "busy"],
  waiting: ["Waits", "warn"],
  succeeded: ["Done", "good"],
  no_changes: ["Nothing to change", "good"],
  rejected: ["Rejected", "idle"],
  incomplete: ["Incomplete", "warn"],
  blocked: ["Blocked", "bad"],
  budget_exhausted: ["Budget spent", "warn"],
  timed_out: ["Out of time", "warn"],
  failed: ["Failed", "bad"],
  interrupted: ["Interrupted", "bad"],
  cancelled: ["Cancelled", "idle"],
};
const SENTENCES = {
  queued: "Waits for a free place.",
  waiting: "The plan waits for an answer. Nothing is spent meanwhile.",
  succeeded: "Checked, reviewed and published.",
  no_changes: "There was nothing to change.",
  rejected: "The plan was rejected. Nothing was changed.",
  incomplete: "Published as a draft that says what is left.",
  blocked: "The gate held the change back. Nothing was pushed; the patch is kept.",
  budget_exhausted: "The money or the tokens of this run are spent.",
  timed_out: "The time of this run is up.",
  failed: "An error ended the run.",
  interrupted: "The process stopped. The run is picked up, or you resume it.",
  cancelled: "Cancelled. Nothing was published; the patch is kept.",
};
const REFUSED = "The repository takes no contributions of coding agents. Nothing was changed.";
const REASONS = {
  fix_rounds_exhausted: "The fix rounds are used up.",
  tokens_spent: "The limit of tokens is reached.",
  turns_exhausted: "A role came to no answer within its turns.",
  not_done: "The coder says that something asked for is missing.",
  not_validated: "No check that ran can vouch for the change.",
  checks_stopped: "The main check was stopped before it ended.",
  base_conflict: "The base branch moved on, and the change conflicts with it.",
  nothing_to_do: "The planner found nothing to do.",
  empty_change: "The change came out empty.",
};
const AT_WORK = {
  prepare: "Clones the repository and finds its checks.",
  plan: "Reads the code and plans.",
  approve: "The plan waits for an answer.",
  code: "Writes the change.",
  validate: "Runs the checks on a fresh copy.",
  fix: "Fixes what failed.",
  review: "Reviews the change with fresh eyes.",
  publish: "Pushes the branch and opens the pull request.",
};

export function isLive(status) {
  return LIVE.has(status);
}

export function isResumable(status) {
  return !LIVE.has(status) && !NOT_RESUMABLE.has(status);
}

/** A status in one or two words. */
export function statusWord(status) {
  return STATUSES[status]?.[0] ?? String(status);
}

/** good, warn, bad, busy or idle. */
export function statusTone(status) {
  return STATUSES[status]?.[1] ?? "idle";
}

/** What a run is about, in one sentence. */
export function statusSentence(run) {
  if (run.status === "running") return AT_WORK[run.node] ?? "At work.";
  if (run.reason === "contributions_refused") return REFUSED;
  const because = run.reason ? REASONS[run.reason] : "";
  return [SENTENCES[run.status] ?? "", because ?? ""].filter(Boolean).join(" ");
}

/** Whether this reader (a `GET /session`) may answer, steer and stop the run. */
export function mayAct(run, me) {
  return Boolean(me?.operator) || run.owner === me?.name;
}

/** Which of the three groups a run is listed in. */
export function groupOf(run, me) {
  if (run.status === "waiting" && mayAct(run, me)) return "waiting";
  return isLive(run.status) ? "working" : "ended";
}

/** Whether the repository is one of the forge, and no folder of a machine. */
export function isOnForge(address) {
  return String(address ?? "").includes("://");
}

/** OWNER/REPO, or the last part of a path. */
export function repositoryName(address) {
  const parts = String(address ?? "").replace(/\.git$/, "").split("/").filter(Boolean);
  return parts.slice(String(address).includes("://") ? -2 : -1).join("/");
}
