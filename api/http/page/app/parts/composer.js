// A message for the working role, or what a follow-up is asked.

import { html, useState } from "../../htm-preact/preact-standalone.js";
import { ActButton, ProblemNote } from "./basics.js";

/** `send` takes the text; `label` says what it is, `button` what becomes of it. */
export function Composer({ send, disabled, hint, label = "Message to the working role", button = "Send" }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const act = async () => { await send(text); setText((now) => (now === text ? "" : now)); };
  const onKey = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.querySelector("button").click();
  };
  return html`<form class="composer" onSubmit=${(event) => event.preventDefault()}>
    <label class="visually-hidden" for="message">${label}</label>
    <textarea id="message" rows="1" placeholder=${hint} value=${text} disabled=${disabled} onKeyDown=${onKey}
      onInput=${(event) => setText(event.target.value)}></textarea>
    <${ActButton} kind="primary" act=${act} disabled=${disabled || !text.trim()} onProblem=${setProblem} title="Ctrl Enter">${button}<//>
    <${ProblemNote} problem=${problem} />
  </form>`;
}
