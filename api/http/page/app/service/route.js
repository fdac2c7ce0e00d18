// The address of a screen: everything behind `#`, so that one page serves all of them.

import { useEffect, useState } from "../../htm-preact/preact-standalone.js";

/** {screen, id, query} of an address's hash. */
export function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [screen = "", ...rest] = path.split("/").filter(Boolean).map(decode);
  return { screen: screen || "runs", id: rest.join("/"), query: new URLSearchParams(query) };
}

/** The hash of a screen; empty values of `query` are left out. */
export function address(screen, id = "", query = {}) {
  const path = [screen, ...id.split("/")].filter(Boolean).map(encodeURIComponent).join("/");
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return `#/${path}${given.size ? `?${given}` : ""}`;
}

export function useRoute() {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
