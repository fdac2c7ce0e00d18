// Small parts that every screen uses.

import { html, useEffect, useRef, useState } from "../../htm-preact/preact-standalone.js";
import { safeAddress, safeLine } from "../model/safe_text.js";
import { statusTone, statusWord } from "../model/status.js";
import { money } from "../model/units.js";

const MARKS = { good: "✓", warn: "!", bad: "✕", busy: "", idle: "–" };

/** A mark of good, warn, bad, busy or idle. Words beside it say the same. */
export function Mark({ tone }) {
  return html`<span class=${`mark ${tone}`} aria-hidden="true">${MARKS[tone]}</span>`;
}

export function Status({ status }) {
  const tone = statusTone(status);
  return html`<span class=${`status ${tone}`}><${Mark} tone=${tone} />${statusWord(status)}</span>`;
}

/** What a run costs beside its ceiling, with a bar. */
export function Cost({ run }) {
  const share = run.maxCostUsd ? Math.min(1, (run.costUsd ?? 0) / run.maxCostUsd) : 0;
  const tone = share > 0.8 ? "warn" : "";
  const told = run.maxCostUsd ? `${money(run.costUsd)} of ${money(run.maxCostUsd)}` : money(run.costUsd);
  return html`<span class="cost" title=${told}>
    <span>${money(run.costUsd)}${run.maxCostUsd && html`<span class="dim"> / ${money(run.maxCostUsd)}</span>`}</span>
    ${run.maxCostUsd && html`<span class=${`bar ${tone}`} aria-hidden="true"><span style=${{ width: `${share * 100}%` }}></span></span>`}
  </span>`;
}

/** A link to somewhere else; text where the address is none of the web. */
export function Away({ to, children }) {
  const address = safeAddress(to);
  if (!address) return html`<span>${children}</span>`;
  return html`<a href=${address} target="_blank" rel="noreferrer noopener">${children}</a>`;
}

/** What went wrong, with what to do. */
export function ProblemNote({ problem }) {
  if (!problem) return null;
  const errors = (problem.errors ?? []).filter((each) => each.message !== problem.message);
  return html`<div class="note bad" role="alert">
    <p>${safeLine(problem.message)}</p>
    ${problem.hint && html`<p class="dim">${safeLine(problem.hint)}</p>`}
    ${errors.map((each) => html`<p class="dim">${safeLine(`${(each.pointer || each.parameter || "").replace("/", "")}: ${each.message}`)}</p>`)}
  </div>`;
}

/** A button whose act is a call: it is off while the call lasts, and shows what was refused. */
export function ActButton({ act, children, kind = "", disabled = false, onProblem, title }) {
  const [busy, setBusy] = useState(false);
  const there = useRef(true);
  useEffect(() => () => { there.current = false; }, []);
  const run = async () => {
    setBusy(true);
    onProblem?.(null);
    try {
      await act();
    } catch (problem) {
      onProblem?.(problem);
    }
    if (there.current) setBusy(false);
  };
  return html`<button type="button" class=${`button ${kind}`} title=${title}
    disabled=${busy || disabled} onClick=${run}>${children}</button>`;
}

/** A ref of a part whose first control gets the focus where what is asked there changes. */
export function useFocusOn(asked) {
  const part = useRef(null);
  const before = useRef(asked);
  useEffect(() => {
    if (before.current !== asked) part.current?.querySelector("button, textarea")?.focus();
    before.current = asked;
  }, [asked]);
  return part;
}

/** The time, renewed every `everyMs`. */
export function useNow(everyMs = 10_000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Whether the window is at least so wide. */
export function useWide(pixels) {
  const [media] = useState(() => matchMedia(`(min-width: ${pixels}px)`));
  const [wide, setWide] = useState(media.matches);
  useEffect(() => {
    const follow = () => setWide(media.matches);
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  return wide;
}
