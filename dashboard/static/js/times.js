// Shows `<time datetime>` in the viewer's zone and language. Without it the text is UTC, and says so.
//
//   data-time="moment"     14:03:12, with the day when it is not today
//   data-time="ago"        12 s ago, counting
//   data-time="countdown"  in 12 s, counting
//   data-time="title"      the text stays (it is another zone's clock); the viewer's time is its title

const TICK_MS = 1000;
const UNITS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

function moment(when, now) {
  if (when.toDateString() === now.toDateString()) return clock.format(when);
  const date = when.getFullYear() === now.getFullYear() ? day : dayAndYear;
  return `${date.format(when)}, ${clock.format(when)}`;
}

function length(seconds) {
  const parts = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, size] of UNITS) {
    if (rest >= size && parts.length < 2) {
      parts.push(`${Math.floor(rest / size)} ${unit}`);
      rest %= size;
    } else if (parts.length) {
      break;
    }
  }
  return parts.join(" ") || "0 s";
}

function text(element, when, now) {
  const seconds = (when - now) / 1000;
  if (element.dataset.time === "ago") return seconds > -1 ? "just now" : `${length(-seconds)} ago`;
  if (element.dataset.time === "countdown") return seconds < 0.5 ? "due now" : `in ${length(seconds)}`;
  return moment(when, now);
}

function show(element) {
  const when = new Date(element.dateTime);
  if (!element.title) element.title = whole.format(when);
  if (element.dataset.time === "title") return;
  const shown = text(element, when, new Date());
  if (element.textContent !== shown) element.textContent = shown;
}

function showAll(where = document) {
  for (const element of where.querySelectorAll("time[data-time]")) show(element);
}

function tick() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll('time[data-time="ago"], time[data-time="countdown"]')) show(element);
}

function nameZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const element of document.querySelectorAll("[data-zone]")) {
    if (zone) element.textContent = `Times are in your zone, ${zone.replaceAll("_", " ")}.`;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  nameZone();
  showAll();
  setInterval(tick, TICK_MS);
});
document.addEventListener("visibilitychange", tick);
document.addEventListener("baton:changed", (event) => showAll(event.target));
