/* The shell's behaviour: htmx set-up, search, shortcuts, dialogs, toasts, idle lock. No inline script anywhere. */
(() => {
  "use strict";

  const words = document.getElementById("words")?.dataset ?? {};
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const typing = (element) =>
    element instanceof HTMLElement &&
    (element.isContentEditable ||
      ["TEXTAREA", "SELECT"].includes(element.tagName) ||
      (element.tagName === "INPUT" && !["radio", "checkbox", "button", "submit", "range"].includes(element.type)));
  const visible = (element) => element.getClientRects().length > 0;

  /* ---- htmx ---- */
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRFToken"] = csrf;
  });

  function say(text) {
    const place = document.getElementById("page-alert");
    if (!place) return;
    const note = document.createElement("div");
    note.className = "note-x note--block";
    note.dataset.passing = "yes";
    note.textContent = text;
    place.querySelector("[data-passing]")?.remove();
    place.append(note);
    note.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("htmx:sendError", () => say(words.failed));
  document.addEventListener("htmx:timeout", () => say(words.failed));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    say(status === 403 ? words.refused : status === 404 ? words.gone : words.broke);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) document.querySelector("#page-alert [data-passing]")?.remove();
  });

  /* ---- toasts: six seconds, kept while in use, one action ---- */
  const SHOWN_MS = 6000;
  function keepAWhile(toast) {
    let timer;
    const start = () => {
      timer = window.setTimeout(() => toast.remove(), SHOWN_MS);
    };
    const hold = () => window.clearTimeout(timer);
    toast.addEventListener("mouseenter", hold);
    toast.addEventListener("focusin", hold);
    toast.addEventListener("mouseleave", start);
    toast.addEventListener("focusout", start);
    start();
  }
  function toast(text, undo) {
    const place = document.getElementById("toasts");
    if (!place || !text) return;
    const box = document.createElement("div");
    box.className = "toast-x";
    box.append(text);
    if (undo) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words.undo;
      button.addEventListener("click", () => {
        post(undo);
        box.remove();
      });
      box.append(button);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.setAttribute("aria-label", words.close);
    close.textContent = "×";
    close.addEventListener("click", () => box.remove());
    box.append(close);
    place.append(box);
    keepAWhile(box);
  }
  function post(url, fields = {}) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = url;
    form.hidden = true;
    for (const [name, value] of Object.entries({ csrfmiddlewaretoken: csrf, ...fields })) {
      const input = document.createElement("input");
      input.name = name;
      input.value = value;
      form.append(input);
    }
    document.body.append(form);
    form.submit();
  }
  document.querySelectorAll("[data-toast]").forEach(keepAWhile);
  // Sent by the server in HX-Trigger: {"toast": {"text": "...", "undo": "/..."}}.
  document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.undo));

  /* ---- dialogs ---- */
  function open(dialog) {
    if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
  }
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    const opener = target.closest("[data-dialog-open]");
    if (opener) open(document.getElementById(opener.dataset.dialogOpen));
    if (target.closest("[data-dialog-close]")) target.closest("dialog")?.close();
    if (target.closest("[data-toast-close]")) target.closest("[data-toast]")?.remove();
    if (target.closest("[data-print]")) window.print();
    // Questions that can forbid the session are answered one by one; the others may be cleared together.
    const rest = target.closest("[data-rest-clear]");
    if (rest) {
      const groups = document.querySelectorAll(`#${rest.dataset.restClear} [role=group]:not([data-one-by-one])`);
      groups.forEach((group) => {
        if (!group.querySelector("input:checked")) group.querySelector("input[value=clear]").checked = true;
      });
      rest.dispatchEvent(new Event("change", { bubbles: true }));
    }
    const gone = target.closest("[data-remove]");
    if (gone?.dataset.remove === "quick") closeQuick();
    else if (gone) {
      const form = gone.closest("form");
      document.getElementById(gone.dataset.remove)?.remove();
      form?.dispatchEvent(new Event("change", { bubbles: true }));
    }
    // A click outside closes an open menu.
    document.querySelectorAll("details.menu-x[open]").forEach((menu) => {
      if (!menu.contains(target)) menu.open = false;
    });
    if (!target.closest(".search-box")) clearResults();
  });
  // A dialog that came with its error inside opens at once; `data-open` says so. By a whole page, or by htmx.
  document.querySelectorAll("dialog[data-open]").forEach(open);
  document.addEventListener("htmx:afterSettle", (event) => {
    event.target.querySelectorAll?.("dialog[data-open]").forEach(open);
    if (event.target.matches?.("dialog[data-open]")) open(event.target);
  });

  /* ---- calendar: the quick card floats beside its visit, never over it ---- */
  let opener = null;
  const GAP = 8;
  function quick() {
    return document.getElementById("quick");
  }
  function closeQuick() {
    const card = quick();
    if (!card) return false;
    card.remove();
    opener?.classList.remove("sel");
    if (opener?.isConnected) opener.focus();
    opener = null;
    return true;
  }
  function placeQuick() {
    const card = quick();
    if (!card || !opener) return;
    const item = opener.getBoundingClientRect();
    const base = (card.offsetParent ?? document.documentElement).getBoundingClientRect();
    const size = card.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const fits = (left) => left >= GAP && left + size.width <= room - GAP;
    let left = [item.right + GAP, item.left - size.width - GAP].find(fits);
    let top = Math.min(item.top, window.innerHeight - size.height - GAP);
    if (left === undefined) {
      // Too narrow for a place at its side: below the visit.
      left = Math.max(GAP, Math.min(item.left, room - size.width - GAP));
      top = item.bottom + GAP;
    }
    card.style.left = `${left - base.left}px`;
    card.style.top = `${Math.max(top, 60) - base.top}px`;
    if (card.getBoundingClientRect().bottom > window.innerHeight) card.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "quick-slot" || !quick()) return;
    opener?.classList.remove("sel");
    opener = event.detail.requestConfig?.elt ?? null;
    opener?.classList.add("sel");
    placeQuick();
    quick().focus({ preventScroll: true });
  });
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (quick() && target && !target.closest("#quick, [data-quick]")) closeQuick();
  });

  /* ---- free times: the line above the button says what will be booked ---- */
  function sayChosen(form) {
    const chosen = form.querySelector("input[name=slot]:checked");
    const place = form.querySelector("[data-chosen]");
    if (place) place.textContent = chosen ? chosen.dataset.say : place.dataset.none;
  }
  document.querySelectorAll("[data-slots]").forEach((form) => {
    const place = form.querySelector("[data-chosen]");
    if (place) place.dataset.none = place.textContent;
    sayChosen(form);
    form.addEventListener("change", () => sayChosen(form));
    form.addEventListener("htmx:afterSwap", () => sayChosen(form));
  });

  /* ---- search anywhere ---- */
  const search = document.getElementById("search-anywhere");
  const results = document.getElementById("search-results");
  const hits = () => [...(results?.querySelectorAll(".hit") ?? [])];
  let chosen = -1;
  function clearResults() {
    results?.replaceChildren();
    chosen = -1;
  }
  function choose(index) {
    const all = hits();
    if (!all.length) return;
    chosen = (index + all.length) % all.length;
    all.forEach((hit, at) => hit.classList.toggle("on", at === chosen));
    all[chosen].scrollIntoView({ block: "nearest" });
  }
  search?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Escape") {
      search.value = "";
      clearResults();
      search.blur();
    } else if (event.key === "Enter" && hits().length && !waiting) {
      // Enter takes the best hit, so that three letters and Enter open a patient.
      hits()[Math.max(chosen, 0)].click();
    } else if (event.key === "Enter" && waiting) {
      // Typed faster than the answer: its best hit opens as soon as it is there, never an older one.
      wanted = true;
    } else return;
    event.preventDefault();
  });
  let waiting = false;
  let wanted = false;
  let slow;
  search?.addEventListener("input", () => {
    wanted = false;
    waiting = true;
    if (!search.value.trim()) clearResults();
  });
  search?.addEventListener("htmx:beforeRequest", () => {
    window.clearTimeout(slow);
    slow = window.setTimeout(() => {
      const note = document.createElement("p");
      note.textContent = words.slow;
      results.replaceChildren(note);
    }, 5000);
  });
  results?.addEventListener("htmx:afterSwap", () => {
    window.clearTimeout(slow);
    waiting = false;
    chosen = -1;
    if (!search.value.trim()) clearResults();
    if (!wanted) return;
    wanted = false;
    if (hits().length) hits()[0].click();
    else search.form?.requestSubmit();
  });
  search?.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful) waiting = wanted = false;
  });

  /* ---- shortcuts: an element says its key with data-key ---- */
  function keyName(event) {
    let name = event.key.toLowerCase();
    // A letter with Shift is a key of its own only where something on the page asks for it.
    if (event.shiftKey && /^[a-z]$/.test(name) && document.querySelector(`[data-key="shift+${name}"]`)) {
      name = `shift+${name}`;
    }
    return event.ctrlKey || event.metaKey ? `ctrl+${name}` : name;
  }
  function press(element) {
    if (typing(element) || element.dataset.keyDo === "focus") {
      element.focus();
      element.select?.();
    } else {
      element.click();
    }
  }
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const name = keyName(event);
    const always = name === "ctrl+enter" || /^f\d+$/.test(name);
    const inside = typing(event.target);
    const dialog = document.querySelector("dialog[open]");

    const digits = event.target instanceof Element ? event.target.closest(".pick") : null;
    if (digits && !inside && /^[0-9]$/.test(name)) {
      const radio = [...digits.querySelectorAll('input[type="radio"]')].find((input) => input.value === name);
      if (radio && !radio.disabled) {
        radio.focus();
        radio.click();
        event.preventDefault();
        return;
      }
    }
    if (event.key === "Escape") {
      if (!dialog && closeQuick()) return;
      document.querySelectorAll("details.menu-x[open]").forEach((menu) => {
        menu.open = false;
        menu.querySelector("summary")?.focus();
      });
      return;
    }
    if ((inside && !always) || (name.startsWith("ctrl+") && !always)) return;
    if (name === "?" && !dialog) {
      open(document.getElementById("shortcuts"));
      event.preventDefault();
      return;
    }
    if (name === "f8") {
      if (nextProblem()) event.preventDefault();
      return;
    }
    // Space and Enter belong to the focused control; arrows to groups and scrolling regions.
    if (name === "enter" && event.target !== document.body) return;
    if (name.startsWith("arrow") && event.target.closest?.("input, [role='listbox'], .pick, [data-arrows]")) return;
    const scope = dialog ?? document;
    const keyed = [...scope.querySelectorAll("[data-key]")].find(
      (element) => element.dataset.key.toLowerCase() === name && visible(element) && !element.disabled,
    );
    if (keyed) {
      event.preventDefault();
      press(keyed);
    }
  });

  /* F8 walks through [data-problem] in page order and comes round. */
  function nextProblem() {
    const problems = [...document.querySelectorAll("[data-problem], .is-invalid")].filter(visible);
    if (!problems.length) return false;
    const here = document.activeElement;
    const after = problems.findIndex(
      (problem) =>
        !problem.contains(here) && here.compareDocumentPosition(problem) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
    const problem = problems[Math.max(after, 0)];
    const control = problem.matches("input, select, textarea, button, a")
      ? problem
      : problem.querySelector("input:not([type=hidden]), select, textarea, button, a[href]") ?? problem;
    if (control === problem && !control.matches("input, select, textarea, button, a")) control.tabIndex = -1;
    control.focus();
    problem.scrollIntoView({ block: "center" });
    return true;
  }
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-next-problem]")) nextProblem();
  });

  /* ---- what was unfolded stays so when htmx draws the part again: details with an id and data-keep-open ---- */
  const unfolded = new Set();
  document.addEventListener(
    "toggle",
    (event) => {
      const fold = event.target;
      if (!(fold instanceof HTMLDetailsElement) || !fold.id || !fold.hasAttribute("data-keep-open")) return;
      // A fold that htmx takes out says nothing: only people close one.
      if (fold.open) unfolded.add(fold.id);
      else if (fold.isConnected) unfolded.delete(fold.id);
    },
    true,
  );
  document.addEventListener("htmx:load", (event) => {
    const root = event.target;
    const folds = [...(root.querySelectorAll?.("details[data-keep-open]") ?? [])];
    if (root.matches?.("details[data-keep-open]")) folds.push(root);
    folds.forEach((fold) => {
      if (unfolded.has(fold.id)) fold.open = true;
    });
  });

  /* ---- changed numbers flash once ---- */
  document.addEventListener("htmx:afterSwap", (event) => {
    const changed = event.target.matches?.("output, [data-flash]") ? [event.target] : [];
    changed.push(...(event.target.querySelectorAll?.("[data-flash]") ?? []));
    changed.forEach((element) => {
      element.classList.remove("flash");
      requestAnimationFrame(() => element.classList.add("flash"));
    });
  });

  /* ---- a form is sent once ---- */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    // An answer that is a file, or opens elsewhere, leaves the page standing.
    window.setTimeout(() => delete form.dataset.sent, 8000);
  });
  // The browser's back button shows the page as it was: its forms may be sent again.
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  /* ---- idle lock: one clock for all tabs of this browser ---- */
  const minutes = Number(document.body.dataset.idleMinutes);
  const lockUrl = document.body.dataset.lockUrl;
  if (minutes && lockUrl) {
    const KEY = "mesoclinic-last-use";
    let noted = 0;
    const used = () => {
      const now = Date.now();
      if (now - noted < 5000) return;
      noted = now;
      localStorage.setItem(KEY, String(now));
    };
    ["pointerdown", "keydown", "scroll", "touchstart"].forEach((name) =>
      document.addEventListener(name, used, { passive: true, capture: true }),
    );
    used();
    window.setInterval(() => {
      const last = Number(localStorage.getItem(KEY)) || Date.now();
      if (Date.now() - last > minutes * 60000) {
        post(lockUrl, { next: window.location.pathname + window.location.search });
      }
    }, 10000);
  }
})();
