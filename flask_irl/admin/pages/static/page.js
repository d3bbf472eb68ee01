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

  function time() {
    return `${new Date(latest).toISOString().slice(11, 19)} UTC`;
  }

  function isChanged(field) {
    if (field instanceof HTMLSelectElement) {
      const options = [...field.options];
      const chosen = options.findLastIndex((option) => option.defaultSelected);
      return field.selectedIndex !== Math.max(chosen, 0);
    }
    if (field.type === "checkbox" || field.type === "radio") {
      return field.checked !== field.defaultChecked;
    }
    return "defaultValue" in field && field.value !== field.defaultValue;
  }

  // Nothing changes under somebody who types, chooses or selects.
  function hindrance() {
    const fields = [...document.querySelectorAll("input, select, textarea")];
    if (fields.includes(document.activeElement) || fields.some(isChanged)) {
      return "a form is filled in";
    }
    return getSelection().isCollapsed ? "" : "text is selected";
  }

  function keyOf(node) {
    return node.dataset ? node.dataset.key : undefined;
  }

  function isAlike(one, other) {
    return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;
  }

  function patchAttributes(old, fresh) {
    // What is open stays open.
    const isKept = (name) => name === "open" && old.nodeName === "DETAILS";
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !isKept(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !isKept(name)) old.setAttribute(name, value);
    }
  }

  // Changes a tree in place, so that focus, scroll and open details stay; rows go by their keys.
  function patch(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    patchAttributes(old, fresh);
    const keyed = new Map();
    for (const child of old.children) {
      if (keyOf(child) !== undefined) keyed.set(keyOf(child), child);
    }
    let next = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = keyOf(child);
      let same = null;
      if (key !== undefined) {
        same = keyed.get(key) ?? null;
        keyed.delete(key);
      } else if (next && keyOf(next) === undefined && isAlike(next, child)) {
        same = next;
      }
      if (same === null) {
        old.insertBefore(document.adoptNode(child), next);
        continue;
      }
      if (same === next) next = next.nextSibling;
      else old.insertBefore(same, next);
      patch(same, child);
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  }

  function lacksFocused(fresh) {
    const row = document.activeElement.closest("[data-part] [data-key]");
    if (!row) return false;
    const part = fresh.getElementById(row.closest("[data-part]").id);
    const keys = part ? [...part.querySelectorAll("[data-key]")].map(keyOf) : [];
    return !keys.includes(keyOf(row));
  }

  // Tells why nothing was shown, or "" when all of it was.
  function show(fresh) {
    const reason = hindrance();
    if (reason) return reason;
    if (lacksFocused(fresh)) return "the entry that has the focus is gone";
    const focused = document.activeElement;
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (other) patch(part, other);
    }
    if (document.activeElement !== focused && focused.isConnected) {
      focused.focus({ preventScroll: true });
    }
    return "";
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
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        // An error page has no parts; a view of what is gone, or of a store that is out, has.
        if (!fresh.querySelector("[data-part]")) throw new Error(String(answer.status));
        const reason = show(fresh);
        if (reason) {
          if (Date.now() - latest > seconds * 2000) {
            tell(`All figures are as of ${time()}: they wait while ${reason}.`);
          }
          return;
        }
        tag = answer.headers.get("ETag") || "";
      }
      latest = Date.now();
      tell("");
    } catch {
      tell(`The site doesn't answer: all figures are as of ${time()}.`);
    }
  }

  async function loop() {
    await poll();
    setTimeout(loop, seconds * 1000);
  }
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  setTimeout(loop, seconds * 1000);
})();
