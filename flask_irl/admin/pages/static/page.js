"use strict";
// Keeps the page up to date; without this, it is as of when it was opened.
(() => {
  const seconds = Number(document.body.dataset.live);
  const stale = document.getElementById("stale");
  if (!seconds || !stale) return;
  let latest = Date.now();
  let tag = "";
  let isAsking = false;

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
    if (node.nodeType !== Node.ELEMENT_NODE) return undefined;
    // Not node.id: a form with a field of that name gives the field.
    return node.dataset.key || node.getAttribute("id") || undefined;
  }

  function isAlike(one, other) {
    return one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
  }

  // Finds the old child that each fresh one stands for: by key, else by place.
  function match(old, fresh) {
    const found = new Map();
    let start = 0;
    let ends = [old.length, fresh.length];
    while (start < Math.min(...ends) && isAlike(old[start], fresh[start])) {
      found.set(fresh[start], old[start]);
      start += 1;
    }
    while (start < Math.min(...ends) && isAlike(old[ends[0] - 1], fresh[ends[1] - 1])) {
      ends = ends.map((end) => end - 1);
      found.set(fresh[ends[1]], old[ends[0]]);
    }
    const left = old.slice(start, ends[0]);
    const keyed = new Map(left.map((node) => [keyOf(node), node]));
    const others = left.filter((node) => keyOf(node) === undefined);
    for (const child of fresh.slice(start, ends[1])) {
      const key = keyOf(child);
      const same = key === undefined ? others[0] : keyed.get(key);
      if (!same || !isAlike(same, child)) continue;
      found.set(child, same);
      if (key === undefined) others.shift();
      else keyed.delete(key);
    }
    return found;
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
    const children = [...fresh.childNodes];
    const found = match([...old.childNodes], children);
    const kept = new Set(found.values());
    for (const child of [...old.childNodes]) if (!kept.has(child)) child.remove();
    let place = old.firstChild;
    for (const child of children) {
      const same = found.get(child);
      if (same && same === place) place = place.nextSibling;
      else old.insertBefore(same ?? document.adoptNode(child), place);
      if (same) patch(same, child);
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
    if (document.hidden || isAsking) return;
    isAsking = true;
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
        if (!fresh.querySelector("[data-part]")) {
          if (answer.status !== 404) throw new Error(String(answer.status));
          tell(`What this page is about is gone: all figures are as of ${time()}.`);
          return;
        }
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
    } finally {
      isAsking = false;
    }
  }

  async function loop() {
    await poll();
    setTimeout(loop, seconds * 1000);
  }
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  setTimeout(loop, seconds * 1000);
})();
