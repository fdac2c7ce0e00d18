// What vouches for a run's change, and what nothing has looked at.

/** [[tone, words]] of the newest checks, their proof, the review and the gate. */
export function proofOf(view) {
  const found = [];
  const checks = (view.validations ?? []).at(-1);
  if (checks) found.push(checksWord(checks));
  if (view.proof?.shown) found.push(["good", "new tests fail without the change"]);
  const review = (view.reviews ?? []).at(-1);
  if (review) found.push(review.verdict === "approve" ? ["good", "review approves"] : ["warn", "review asks for changes"]);
  if (view.gate) found.push(view.gate.passed ? ["good", "gate passed"] : ["bad", "gate holds it back"]);
  return found.length ? found : [["idle", "nothing has been checked yet"]];
}

function checksWord(checks) {
  const ran = (checks.commands ?? []).filter((check) => check.status === "passed").length;
  const all = (checks.commands ?? []).length;
  if (checks.status === "passed") return ["good", all > 1 ? `${ran} of ${all} checks pass` : "checks pass"];
  if (checks.status === "unavailable") return ["warn", "no check could run"];
  const failures = checks.newFailures?.length ?? 0;
  return ["bad", failures ? `${failures} new ${failures === 1 ? "failure" : "failures"}` : "checks fail"];
}

/** What was not checked, in words. */
export function uncheckedOf(view) {
  const checks = (view.validations ?? []).at(-1);
  const open = (checks?.commands ?? [])
    .filter((check) => check.status === "unavailable" || check.status === "stopped")
    .map((check) => `${check.command} ${check.status === "stopped" ? "was stopped" : "could not run"}`);
  for (const finding of checks?.findings ?? []) {
    if (["not_covered", "unread", "base_stopped", "stale", "nothing_ran", "cut_short", "masked"].includes(finding.rule)) open.push(finding.message);
  }
  const untried = view.proof?.notTried ?? [];
  if (untried.length) open.push(`tests not tried alone: ${untried.join(", ")}`);
  for (const part of view.environment?.leftOut ?? []) open.push(`${part.what} is not installed`);
  return open.slice(0, 4);
}
