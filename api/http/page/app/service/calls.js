// Calls of the service's own HTTP interface. What is refused is a Problem.

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.code = document.code ?? "";
    this.hint = document.hint ?? "";
    this.errors = document.errors ?? [];
    this.retryAfterS = document.retryAfterS ?? 0;
  }
}

const AGAIN_MS = 3000;
/** No session, nothing there, or a request that is none. */
const FINAL = new Set([401, 404, 422]);

/** Whether another try of a call that failed so is in vain. */
export function isFinal(problem) {
  return FINAL.has(problem.status);
}

/** Milliseconds until a call that failed so is worth another try. */
export function pauseAfter(problem) {
  return Math.max(AGAIN_MS, 1000 * (problem.retryAfterS ?? 0));
}

let onSignedOut = () => {};

/** `handler` is called when the service wants a key. */
export function whenSignedOut(handler) {
  onSignedOut = handler;
}

/** The answer of a call, its status seen to. Raises Problem. */
export async function request(method, path, { body, headers = {}, signal } = {}) {
  const sent = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: { ...sent, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "The service cannot be reached." });
  }
  if (answer.ok) return answer;
  const problem = new Problem(answer.status, await problemOf(answer));
  if (answer.status === 401 && !(method === "POST" && path === "/session")) onSignedOut(); // a key that is refused there is no end
  throw problem;
}

/** A JSON answer; null where there is none. */
export async function json(method, path, options) {
  const answer = await request(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

async function problemOf(answer) {
  const retryAfterS = Number(answer.headers.get("Retry-After")) || 0;
  try {
    return { ...(await answer.json()), retryAfterS };
  } catch {
    return { retryAfterS };
  }
}
