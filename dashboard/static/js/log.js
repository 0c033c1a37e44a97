// Follows the log of a run. The server sends its last lines, then lines as they are written (Server-Sent
// Events); the browser reconnects by itself and says with Last-Event-ID which byte it wants next. What is
// before the first line that came is fetched a page at a time.
//
//   <div data-log data-log-source="/runs/9/log/events">
//     <p data-log-earlier data-source="/runs/9/log/pages" hidden><button>
//     <pre data-log-lines></pre> <span data-log-state></span> <button data-log-follow aria-pressed="true">

const KEPT_CHUNKS = 400;
const NEAR_END_PX = 40;

function attach(panel) {
  const lines = panel.querySelector("[data-log-lines]");
  const state = panel.querySelector("[data-log-state]");
  const follow = panel.querySelector("[data-log-follow]");
  const earlier = panel.querySelector("[data-log-earlier]");
  let isFollowing = true;
  let isOver = false;
  let source = null;
  let first = null; // the byte that the first line shown is at
  let next = null; // the byte wanted next

  const isAtEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR_END_PX;
  const toEnd = () => {
    lines.scrollTop = lines.scrollHeight;
  };

  function setFollowing(value) {
    isFollowing = value;
    follow.setAttribute("aria-pressed", String(value));
    if (value) toEnd();
  }

  function setFirst(byte) {
    first = byte;
    earlier.hidden = byte === 0;
  }

  function lineNode(text, from) {
    const node = document.createElement("span");
    node.textContent = text.endsWith("\n") ? text : `${text}\n`;
    node.dataset.from = from;
    return node;
  }

  function forgetFirst() {
    while (lines.childNodes.length > KEPT_CHUNKS) lines.firstChild.remove();
    setFirst(Number(lines.firstChild.dataset.from));
  }

  async function showEarlier() {
    const button = earlier.querySelector("button");
    button.disabled = true;
    try {
      const answer = await fetch(`${earlier.dataset.source}?before=${first}`);
      if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
      const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-log-part]");
      if (!part?.textContent) throw new Error("nothing");
      setFollowing(false);
      const fromEnd = lines.scrollHeight - lines.scrollTop;
      lines.prepend(lineNode(part.textContent, part.dataset.from));
      lines.scrollTop = lines.scrollHeight - fromEnd;
      setFirst(Number(part.dataset.from));
    } catch {
      location.href = `${earlier.dataset.source}?before=${first}`; // that page says what is wrong
    } finally {
      button.disabled = false;
    }
  }

  function append(chunk) {
    state.textContent = "live";
    if (next !== null && chunk.from < next) return; // sent twice around a reconnection
    if (first === null) setFirst(chunk.from);
    next = chunk.to;
    if (lines.dataset.empty !== undefined) {
      lines.replaceChildren();
      delete lines.dataset.empty;
    }
    const keepAt = lines.scrollTop;
    const before = lines.scrollHeight;
    lines.append(lineNode(chunk.text, chunk.from));
    if (isFollowing) {
      if (lines.childNodes.length > KEPT_CHUNKS) forgetFirst();
      toEnd();
    } else if (lines.scrollHeight < before) {
      lines.scrollTop = keepAt;
    }
  }

  function open() {
    if (source || isOver || document.hidden) return;
    state.textContent = "connecting …";
    source = new EventSource(panel.dataset.logSource + (next === null ? "" : `?from=${next}`));
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
  earlier.querySelector("button").addEventListener("click", showEarlier);
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
