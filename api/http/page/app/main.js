// The page: who is signed in, which screen is shown, and what every screen shares.

import { html, render, useEffect, useState } from "../htm-preact/preact-standalone.js";
import { listenForKeys } from "./parts/keyboard.js";
import { Notice, mayNotify, watchRuns } from "./parts/notices.js";
import { TopBar } from "./parts/top_bar.js";
import { EnvironmentScreen } from "./screens/environment_screen.js";
import { FiguresScreen } from "./screens/figures_screen.js";
import { NewRunScreen } from "./screens/new_run_screen.js";
import { RunScreen } from "./screens/run_screen.js";
import { RunsScreen } from "./screens/runs_screen.js";
import { SignInAgain, SignInScreen } from "./screens/sign_in_screen.js";
import { json, request, whenSignedOut } from "./service/calls.js";
import { useRoute } from "./service/route.js";
import { RunsFeed } from "./service/runs_feed.js";

const feed = new RunsFeed();
const AGAIN_MS = 2000;
let reader = null;
/** Those that hold what somebody types. */
const KEPT = new Set([RunScreen, NewRunScreen]);
const SCREENS = new Map(Object.entries({
  runs: RunsScreen, new: NewRunScreen, environments: EnvironmentScreen, figures: FiguresScreen,
}));

function App() {
  const route = useRoute();
  const [signedOut, setSignedOut] = useState(false);
  const [signIns, setSignIns] = useState(0);
  const [me, setMe] = useState(null);
  const [, redraw] = useState(0);
  useEffect(() => feed.subscribe(() => redraw((count) => count + 1)), []);
  useEffect(() => {
    whenSignedOut(() => { feed.stop(); setSignedOut(true); });
    begin();
    const forget = [listenForKeys(), watchRuns(feed, () => reader), restWhileHidden()];
    return () => forget.forEach((each) => each());
  }, []);
  useEffect(() => { document.getElementById("main")?.focus(); }, [route.screen, route.id]);
  /** Whether there is a session, as far as is known. */
  const begin = async () => {
    try {
      const before = reader;
      reader = await json("GET", "/session");
      if (before && before.name !== reader.name) return location.reload(); // nothing of another's is kept
      if (before) setSignIns((count) => count + 1);
      setSignedOut(false);
      setMe(reader);
      feed.start(document.hidden, mayNotify());
    } catch (problem) {
      if (problem.status === 401) return false;
      setTimeout(begin, AGAIN_MS);
    }
    return true;
  };
  const signOut = async () => { await request("DELETE", "/session"); location.reload(); };
  if (signedOut && !me) return html`<${SignInScreen} onSignedIn=${begin} />`;
  const Screen = route.screen === "runs" && route.id ? RunScreen : SCREENS.get(route.screen) ?? Missing;
  const key = `${route.screen}/${route.id}/${KEPT.has(Screen) ? "" : signIns}`;
  return html`${signedOut && html`<${SignInAgain} onSignedIn=${begin} />`}
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${TopBar} route=${route} feed=${feed} me=${me} signOut=${signOut} />
    <${Notice} />
    <main id="main" tabindex="-1"><${Screen} key=${key} route=${route} feed=${feed} me=${me} signIns=${signIns} /></main>`;
}

/** Leave the stream where nobody looks; returns what ends that. */
function restWhileHidden() {
  const rest = () => { if (reader) feed.pause(document.hidden, mayNotify()); };
  document.addEventListener("visibilitychange", rest);
  return () => document.removeEventListener("visibilitychange", rest);
}

function Missing() {
  return html`<div class="page"><h1 class="visually-hidden">Nothing here</h1><p class="empty">There is nothing at this address. <a href="#/">All runs</a></p></div>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

render(html`<${App} />`, document.getElementById("app"));
