// Tab indents in the source of a script, and Shift+Tab takes the indent back. Escape lets the next Tab
// leave the field, so that nobody is caught in it who has no mouse.

const INDENT = "    ";

function linesOf(area) {
  const begin = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const isWhole = area.selectionEnd > area.selectionStart && area.value[area.selectionEnd - 1] === "\n";
  return { begin, end: isWhole ? area.selectionEnd - 1 : area.selectionEnd };
}

// execCommand, which is old, because it is the one way that keeps the browser's undo
function replace(area, begin, end, text) {
  area.setSelectionRange(begin, end);
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, begin, end, "end");
}

function indent(area, isBack) {
  const { selectionStart, selectionEnd } = area;
  if (selectionStart === selectionEnd && !isBack) {
    replace(area, selectionStart, selectionEnd, INDENT);
    return;
  }
  const { begin, end } = linesOf(area);
  const lines = area.value.slice(begin, end).split("\n");
  const changed = lines.map((line) => (isBack ? line.replace(/^( {1,4}|\t)/, "") : INDENT + line)).join("\n");
  if (changed === area.value.slice(begin, end)) return;
  replace(area, begin, end, changed);
  area.setSelectionRange(begin, begin + changed.length);
}

function attach(area) {
  let isLeaving = false;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      isLeaving = true;
    } else if (event.key === "Tab" && !isLeaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      indent(area, event.shiftKey);
    } else if (event.key !== "Shift") {
      isLeaving = false;
    }
  });
  area.addEventListener("blur", () => (isLeaving = false));
}

document.addEventListener("DOMContentLoaded", () => {
  for (const area of document.querySelectorAll("textarea#source")) attach(area);
});
