// Writes times in the reader's zone, opens dialogs, and refreshes live pages while somebody looks at them.
"use strict";

const REFRESH_MS = 2000;

function writeTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const text = at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
    if (time.textContent !== text) time.textContent = text;
  }
}

document.addEventListener("click", (event) => {
  const opens = event.target.closest("[data-opens]");
  if (opens) document.getElementById(opens.dataset.opens).showModal();
  if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
});

const isBusy = () => document.hidden || document.querySelector("dialog[open], details[open]");

setInterval(() => {
  if (isBusy()) return;
  for (const live of document.querySelectorAll("[data-live]")) live.dispatchEvent(new Event("refresh"));
}, REFRESH_MS);

// An answer may come after somebody has opened something: it would close that again.
document.addEventListener("htmx:before:swap", (event) => {
  if (isBusy()) event.preventDefault();
});

document.addEventListener("htmx:after:swap", writeTimes);
document.addEventListener("htmx:after:settle", writeTimes);
writeTimes();
