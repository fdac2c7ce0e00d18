// Keys that work on every screen: `j` and `k` walk through rows, `/` goes to the search.

/** Listen for keys until the returned function is called. */
export function listenForKeys() {
  const listen = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") focus(document.querySelector("[data-search]"), event);
    if (event.key === "j") focus(neighbour(1), event);
    if (event.key === "k") focus(neighbour(-1), event);
  };
  addEventListener("keydown", listen);
  return () => removeEventListener("keydown", listen);
}

function isTyping(target) {
  return target.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

function neighbour(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.indexOf(document.activeElement);
  if (at < 0) return rows[step > 0 ? 0 : rows.length - 1];
  return rows[at + step];
}

function focus(element, event) {
  if (!element) return;
  event.preventDefault();
  element.focus();
  element.scrollIntoView({ block: "nearest" });
}
