// The page: who is signed in, which screen is shown, and what every screen shares.

import { html, render, useEffect, useState } from "../htm-preact/preact-standalone.js";
import { listenForKeys } from "./parts/keyboard.js";
import { Notice, watchRuns } from "./parts/notices.js";
import { TopBar } from "./parts/top_bar.js";
import { EnvironmentScreen } from "./screens/environment_screen.js";
import { NewRunScreen } from "./screens/new_run_screen.js";
import { RunScreen } from "./screens/run_screen.js";
import { RunsScreen } from "./screens/runs_screen.js";
import { SignInScreen } from "./screens/sign_in_screen.js";
import { whenSignedOut } from "./service/calls.js";
import { useRoute } from "./service/route.js";
import { RunsFeed } from "./service/runs_feed.js";

const feed = new RunsFeed();
const SCREENS = { runs: RunsScreen, new: NewRunScreen, environments: EnvironmentScreen };

function App() {
  const route = useRoute();
  const [signedOut, setSignedOut] = useState(false);
  const [, redraw] = useState(0);
  useEffect(() => feed.subscribe(() => redraw((count) => count + 1)), []);
  useEffect(() => {
    whenSignedOut(() => { feed.stop(); setSignedOut(true); });
    feed.start();
    const forget = [listenForKeys(), watchRuns(feed)];
    return () => forget.forEach((each) => each());
  }, []);
  useEffect(() => { document.getElementById("main")?.focus(); }, [route.screen, route.id]);
  if (signedOut) {
    return html`<${SignInScreen} onSignedIn=${() => { setSignedOut(false); feed.start(); }} />`;
  }
  const Screen = route.screen === "runs" && route.id ? RunScreen : SCREENS[route.screen] ?? Missing;
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${TopBar} route=${route} feed=${feed} />
    <${Notice} />
    <main id="main" tabindex="-1"><${Screen} key=${`${route.screen}/${route.id}`} route=${route} feed=${feed} /></main>`;
}

function Missing() {
  return html`<div class="page"><p class="empty">There is nothing at this address. <a href="#/">All runs</a></p></div>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

render(html`<${App} />`, document.getElementById("app"));
