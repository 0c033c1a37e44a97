// Follows the log of a run. The server sends lines as they are written (Server-Sent Events); the
// browser reconnects by itself and says with Last-Event-ID which line it wants next.
//
//   <div data-log data-log-source="/runs/9/log/events">
//     <pre data-log-lines></pre> <span data-log-state></span> <button data-log-follow aria-pressed="true">

const KEPT_CHUNKS = 400;
const NEAR_END_PX = 40;

function attach(panel) {
  const lines = panel.querySelector("[data-log-lines]");
  const state = panel.querySelector("[data-log-state]");
  const follow = panel.querySelector("[data-log-follow]");
  let isFollowing = true;
  let isOver = false;
  let source = null;
  let next = 1;

  const isAtEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR_END_PX;
  const toEnd = () => {
    lines.scrollTop = lines.scrollHeight;
  };

  function setFollowing(value) {
    isFollowing = value;
    follow.setAttribute("aria-pressed", String(value));
    if (value) toEnd();
  }

  function append(chunk) {
    state.textContent = "live";
    if (chunk.from < next) return; // sent twice around a reconnection
    next = chunk.to + 1;
    if (lines.dataset.empty !== undefined) {
      lines.replaceChildren();
      delete lines.dataset.empty;
    }
    const keepAt = lines.scrollTop;
    const before = lines.scrollHeight;
    lines.append(chunk.text.endsWith("\n") ? chunk.text : `${chunk.text}\n`);
    if (isFollowing) {
      while (lines.childNodes.length > KEPT_CHUNKS) lines.firstChild.remove();
      toEnd();
    } else if (lines.scrollHeight < before) {
      lines.scrollTop = keepAt;
    }
  }

  function open() {
    if (source || isOver || document.hidden) return;
    state.textContent = "connecting …";
    source = new EventSource(`${panel.dataset.logSource}?from=${next}`);
    source.addEventListener("open", () => {
      state.textContent = "live";
    });
    source.addEventListener("log", (event) => append(JSON.parse(event.data)));
    source.addEventListener("state", (event) => {
      state.textContent = JSON.parse(event.data).text;
    });
    source.addEventListener("end", (event) => {
      isOver = true;
      follow.hidden = true;
      lines.hidden = lines.dataset.empty !== undefined;
      close();
      state.textContent = JSON.parse(event.data).text;
      panel.dispatchEvent(new CustomEvent("baton:refresh", { bubbles: true }));
    });
    source.addEventListener("error", () => {
      state.textContent = "connection lost; trying again …";
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  follow.hidden = false;
  follow.addEventListener("click", () => setFollowing(!isFollowing));
  // reading upwards is a wish to stay there; coming back to the end resumes
  lines.addEventListener("scroll", () => {
    if (isFollowing !== isAtEnd()) setFollowing(isAtEnd());
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  open();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const panel of document.querySelectorAll("[data-log]")) attach(panel);
});
