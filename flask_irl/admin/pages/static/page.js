"use strict";
// Keeps the page up to date; without this, it is as of when it was opened.
(() => {
  const seconds = Number(document.body.dataset.live);
  const stale = document.getElementById("stale");
  if (!seconds || !stale) return;
  let latest = Date.now();
  let tag = "";

  function tell(text) {
    if (stale.textContent !== text) stale.textContent = text;
    stale.hidden = text === "";
  }

  function replace(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      // Nothing is taken from under somebody who is reading with the keyboard or selecting text.
      const busy = part.contains(document.activeElement) || !getSelection().isCollapsed;
      if (!other || busy) continue;
      for (const open of part.querySelectorAll("details[open]")) {
        const same = open.id && other.querySelector("#" + CSS.escape(open.id));
        if (same) same.open = true;
      }
      part.replaceWith(document.adoptNode(other));
    }
  }

  async function poll() {
    if (document.hidden) return;
    try {
      const headers = { "X-Irl-Poll": "1" };
      if (tag) headers["If-None-Match"] = tag;
      const abort = AbortSignal.timeout(seconds * 2000);
      const answer = await fetch(location.href, {
        headers, cache: "no-store", redirect: "manual", signal: abort,
      });
      if (answer.type === "opaqueredirect" || answer.status === 403) {
        tell("You are signed out: load the page anew.");
        return;
      }
      if (answer.status !== 304) {
        if (!answer.ok && answer.status !== 503) throw new Error(String(answer.status));
        tag = answer.headers.get("ETag") || "";
        replace(await answer.text());
      }
      latest = Date.now();
      tell("");
    } catch {
      const time = new Date(latest).toISOString().slice(11, 19);
      tell(`The site doesn't answer: all figures are as of ${time} UTC.`);
    }
  }

  async function loop() {
    await poll();
    setTimeout(loop, seconds * 1000);
  }
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  setTimeout(loop, seconds * 1000);
})();
