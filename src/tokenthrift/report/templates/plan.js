"use strict";
document.documentElement.classList.add("scripted");

document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-folds]");
  if (!asked) return;
  const open = asked.dataset.folds === "open";
  for (const fold of document.querySelectorAll(".messages details")) fold.open = open;
});

// j and k step from unit to unit of the text that has the focus.
document.addEventListener("keydown", (event) => {
  if ((event.key !== "j" && event.key !== "k") || event.ctrlKey || event.metaKey || event.altKey) return;
  const text = event.target.closest(".text");
  if (!text) return;
  const units = [...text.querySelectorAll("[tabindex='-1']")].filter((unit) => unit.checkVisibility());
  const at = units.indexOf(document.activeElement);
  const next = event.key === "j" ? at + 1 : at < 0 ? units.length - 1 : at - 1;
  if (units[next]) units[next].focus();
});
