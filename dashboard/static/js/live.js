// Keeps the regions marked `data-live` fresh: the same page is asked for again, and what differs is
// put in place. Nothing is asked while the tab is hidden, nothing is replaced under the person's
// hands (focus, open form, selected text), and the scroll position stays.
//
//   <section id="runs" data-live>…</section>       a region; it needs an id
//   <body data-live-every="3">                     seconds between two looks; absent: the page does not move
//   <button data-live-toggle aria-pressed="true">  pauses and resumes

const LONGEST_WAIT_S = 30;

let isPaused = false;
let failures = 0;
let timer = 0;

const every = () => Number(document.body.dataset.liveEvery || 0);
const toggles = () => document.querySelectorAll("[data-live-toggle]");

function schedule() {
  clearTimeout(timer);
  if (!every() || isPaused || document.hidden) return;
  timer = setTimeout(refresh, 1000 * Math.min(every() * 2 ** failures, LONGEST_WAIT_S));
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch(location.href, { headers: { "X-Baton-Live": "1" } });
    if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
      location.reload(); // the session is over: sign in again
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    if (!isPaused) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    failures = 0;
  } catch {
    failures += 1;
  }
  showTrouble();
  schedule();
}

function put(fresh) {
  const interval = fresh.body.dataset.liveEvery;
  if (interval) document.body.dataset.liveEvery = interval;
  else delete document.body.dataset.liveEvery;
  for (const toggle of toggles()) toggle.hidden = !interval; // what has ended does not move any more
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    if (!next || isInUse(region)) continue;
    // compared with what came from the server last, not with what scripts made of it
    if (region.batonSource === next.innerHTML) continue;
    region.batonSource = next.innerHTML;
    region.replaceChildren(...next.childNodes);
    region.dispatchEvent(new CustomEvent("baton:changed", { bubbles: true }));
  }
}

function isInUse(region) {
  const selection = getSelection();
  const focused = document.activeElement;
  return (
    (focused && focused !== document.body && region.contains(focused) && focused.matches("input, select, textarea, button, summary")) ||
    region.querySelector("details[open]") !== null ||
    (selection && !selection.isCollapsed && region.contains(selection.anchorNode))
  );
}

function showTrouble() {
  for (const toggle of toggles()) {
    if (failures) toggle.dataset.trouble = "";
    else delete toggle.dataset.trouble;
    toggle.title = failures ? "Baton does not answer; trying again" : "Pause or resume live updates";
  }
}

document.addEventListener("DOMContentLoaded", () => {
  if (!every()) return;
  for (const toggle of toggles()) {
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      isPaused = !isPaused;
      for (const each of toggles()) each.setAttribute("aria-pressed", String(!isPaused));
      if (isPaused) clearTimeout(timer);
      else refresh();
    });
  }
  schedule();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (every() && !isPaused) refresh();
});
document.addEventListener("baton:refresh", refresh);
