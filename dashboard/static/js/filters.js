// Sends a filter form when a choice is made; typed text is sent with Enter or the button.

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-filters]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

// empty filters do not need to stand in the address
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-filters]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
