// Comfort only: every page does all its work without this file.
"use strict";
// A click on a digest selects it whole, so that it can be copied; the element's title holds the full text.
for (const code of document.querySelectorAll("code[title]")) {
  code.addEventListener("dblclick", () => {
    code.textContent = code.title;
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  });
}
// "/" goes to the filter, as in many tables; not while something is being typed.
document.addEventListener("keydown", (event) => {
  const filter = document.getElementById("q");
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  if (event.key === "/" && filter && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    filter.focus();
  }
});
// While a page is looked at it follows what happens: its content is fetched again when an event says that it may have changed.
// Only while it is visible, for a browser opens few connections to one host; and never under somebody's typing.
const follow = (names, concerns) => {
  let source = null;
  let waiting = false;
  const refresh = async () => {
    waiting = false;
    const shown = document.getElementById("content");
    const typing = shown.contains(document.activeElement) && document.activeElement !== shown;
    if (typing || shown.querySelector(".answer, .problem")) return;
    const answer = await fetch(window.location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content");
    if (!made) return;
    const open = [...shown.querySelectorAll("details")].map((details) => details.open);
    made.querySelectorAll("details").forEach((details, place) => { if (place in open) details.open = open[place]; });
    shown.replaceChildren(...made.childNodes);
  };
  const listen = () => {
    if (source || document.hidden) return;
    source = new EventSource("/api/v1/events");
    for (const name of names) {
      source.addEventListener(name, (event) => {
        if (waiting || !concerns(JSON.parse(event.data))) return;
        waiting = true;
        window.setTimeout(refresh, 1000);
      });
    }
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && source) { source.close(); source = null; } else listen();
  });
  listen();
};
const where = window.location.pathname;
if (where === "/") {
  follow(["slot.changed", "finding.opened", "finding.closed"], () => true);
} else if (where.startsWith("/runs/") && where !== "/runs/compare") {
  follow(["run.progress", "run.finished"], (told) => told.run === decodeURIComponent(where.slice("/runs/".length)));
}
