// The sign-in: a key of the service makes a session that this browser keeps.

import { html, useEffect, useRef, useState } from "../../htm-preact/preact-standalone.js";
import { ProblemNote } from "../parts/basics.js";
import { Problem, request } from "../service/calls.js";

const NOT_KEPT = {
  detail: "The key is right, but the browser did not keep the session.",
  hint: "Allow cookies for this address, and open it by https where it is not this machine's.",
};

/** Instead of the page. */
export function SignInScreen({ onSignedIn }) {
  return html`<main id="main" class="sign-in" tabindex="-1"><${SignInForm} onSignedIn=${onSignedIn} /></main>`;
}

/** Over the page, which keeps what was typed there, where a session has ended. */
export function SignInAgain({ onSignedIn }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} class="sign-in" aria-label="Sign in again" onClose=${() => dialog.current?.showModal()}>
    <${SignInForm} onSignedIn=${onSignedIn} told="Your session has ended. What you typed is kept." /></dialog>`;
}

function SignInForm({ onSignedIn, told }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const signIn = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await request("POST", "/session", { headers: { Authorization: `Bearer ${event.target.elements.key.value.trim()}` } });
      if (!(await onSignedIn())) throw new Problem(401, NOT_KEPT);
    } catch (refused) {
      setProblem(refused);
      setBusy(false);
    }
  };
  return html`<form onSubmit=${signIn}>
      <img src="/assets/app/mark.svg" alt="" width="40" height="40" />
      <h1>Coding agent</h1>
      ${told && html`<p>${told}</p>`}
      <label for="key">Your key</label>
      <input id="key" name="key" type="password" autocomplete="current-password" required autofocus />
      <p class="dim">A key of this service. The browser keeps a session of twelve hours, not the key.</p>
      <${ProblemNote} problem=${problem} />
      <button class="button primary" disabled=${busy}>Sign in</button>
    </form>`;
}
