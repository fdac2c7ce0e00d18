// The bar above every screen: where one is, and whether what one sees is live.

import { html } from "../../htm-preact/preact-standalone.js";
import { safeLine } from "../model/safe_text.js";
import { address } from "../service/route.js";

const SCREENS = [["runs", "Runs"], ["new", "New run"], ["figures", "Figures"]];

/** `me` is who is signed in; `signOut` ends the session. */
export function TopBar({ route, feed, me, signOut }) {
  return html`<header class="top">
    <a class="brand" href="#/"><img src="/assets/app/mark.svg" alt="" width="20" height="20" />Coding agent</a>
    <nav aria-label="Screens">${SCREENS.map(([screen, title]) => html`<a href=${address(screen === "runs" ? "" : screen)}
      aria-current=${route.screen === screen && !route.id ? "page" : null}>${title}</a>`)}</nav>
    <span class="live-state" role="status">${feed.state === "lost" ? html`<span class="word warn">Connecting …</span>` : null}</span>
    <a class="top-docs" href="/docs">API</a>
    ${me?.keyRequired && html`<span class="who">${safeLine(me.name, 40)}</span>
      <button type="button" class="button small" onClick=${signOut}>Sign out</button>`}
  </header>`;
}
