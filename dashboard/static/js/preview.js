// Shows the next fire times of a schedule while it is being typed. Without it the button
// "Show fire times" does the same with a reload.
//
//   <form data-preview="/fire-times"> … <div data-preview-into></div>

const PAUSE_MS = 350;
const FIELDS = [
  "schedule_type", "schedule_conf", "time_zone", "dst_gap", "dst_fold", "start_at", "end_at", "calendar_id",
];

function attach(form) {
  const into = form.querySelector("[data-preview-into]");
  let timer = 0;
  let asked = 0;

  async function show() {
    const values = new FormData(form);
    const query = new URLSearchParams(FIELDS.map((name) => [name, values.get(name) ?? ""]));
    asked += 1;
    const turn = asked;
    try {
      const answer = await fetch(`${form.dataset.preview}?${query}`);
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (turn !== asked) return; // a later question was answered first
      into.replaceChildren(...fresh.body.childNodes);
      into.dispatchEvent(new CustomEvent("baton:changed", { bubbles: true }));
    } catch {
      // the form works without a preview
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE_MS);
  }

  form.addEventListener("input", (event) => {
    if (FIELDS.includes(event.target.name)) soon();
  });
  for (const button of form.querySelectorAll("[data-preview-button]")) button.hidden = true;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form[data-preview]")) attach(form);
});
