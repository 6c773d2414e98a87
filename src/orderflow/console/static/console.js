// Writes times in the reader's zone, opens dialogs, and refreshes live pages while somebody looks at them; a
// page that cannot be refreshed says so.
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

let refreshedAt = new Date();

// Says since when the page is no longer refreshed, and why; null once it is again.
function writeStale(why) {
  const stale = document.getElementById("stale");
  const isTold = document.querySelector("[role=alert]");
  if (why === null) refreshedAt = new Date();
  if (why === null || isTold) {
    stale.hidden = true;
  } else if (stale.hidden) {
    const at = refreshedAt.toLocaleTimeString(undefined, { timeStyle: "medium" });
    stale.textContent = `Not refreshed since ${at}: ${why} It goes on by itself.`;
    stale.hidden = false;
  }
}

const isTrouble = (answer) => answer.response.status >= 500 || answer.response.status === 429;

document.addEventListener("htmx:after:request", (event) => {
  const answer = event.detail.ctx;
  if (!isTrouble(answer)) return writeStale(null);
  const page = new DOMParser().parseFromString(answer.text, "text/html");
  writeStale(page.querySelector("[role=alert]")?.textContent ?? "something went wrong.");
});

document.addEventListener("htmx:error", () => writeStale("nothing answers."));

// What was there stays while there is trouble; a page that its reader may no longer see does not.
document.addEventListener("htmx:before:swap", (event) => {
  if (isTrouble(event.detail.ctx)) event.preventDefault();
});

// An answer may come after somebody has opened something: it would close that again.
document.addEventListener("htmx:before:swap", (event) => {
  if (isBusy()) event.preventDefault();
});

document.addEventListener("htmx:after:swap", writeTimes);
document.addEventListener("htmx:after:settle", writeTimes);
writeTimes();
