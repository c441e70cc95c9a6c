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
