// A form is sent once per click: a second click while the answer is on its way does nothing.
// The server does not rely on it: triggers carry a token, edits a version.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent !== undefined) {
    event.preventDefault();
    return;
  }
  if (form.method === "post") form.dataset.sent = "";
});

// the page may come back from the browser's memory
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
