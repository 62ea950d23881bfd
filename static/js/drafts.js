/* Drafts: a form with data-draft-key keeps what is typed in this tab until it is saved.
   Session storage, not local storage: clinical text does not outlive the tab, and ends with signing out. */
(() => {
  "use strict";

  const words = document.getElementById("words")?.dataset ?? {};
  const PREFIX = "mesoclinic-draft:";
  const user = document.body.dataset.user ?? "";
  const mine = `${PREFIX}${user}:`;
  const clock = (moment) => {
    const at = new Date(moment);
    return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
  };
  const keys = () => Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));

  if (!user) {
    // Signed out by hand: nothing may be left. An expired session keeps its drafts for the same person.
    if (sessionStorage.getItem(`${PREFIX}leaving`)) keys().forEach((key) => sessionStorage.removeItem(key));
    unsend();
    return;
  }
  keys().forEach((key) => {
    if (!key.startsWith(mine)) sessionStorage.removeItem(key);
  });
  document.querySelectorAll('form[action$="/sign-out/"]').forEach((form) => {
    form.addEventListener("submit", () => sessionStorage.setItem(`${PREFIX}leaving`, "yes"));
  });
  if (document.body.hasAttribute("data-locked")) {
    unsend();
    return;
  }

  /* A form that was sent but met the lock or the sign-in page was not saved: its draft counts again. */
  function unsend() {
    keys().forEach((key) => {
      try {
        const draft = JSON.parse(sessionStorage.getItem(key));
        if (draft?.sent) sessionStorage.setItem(key, JSON.stringify({ ...draft, sent: false }));
      } catch {
        sessionStorage.removeItem(key);
      }
    });
  }

  const kept = (form) =>
    [...form.elements].filter(
      (field) => field.name && !["hidden", "password", "file", "submit", "button"].includes(field.type),
    );
  function read(form) {
    const values = {};
    for (const field of kept(form)) {
      if (field.type === "checkbox" || field.type === "radio") {
        values[field.name] ??= [];
        if (field.checked) values[field.name].push(field.value);
      } else if (field.multiple) {
        values[field.name] = [...field.selectedOptions].map((option) => option.value);
      } else {
        (values[field.name] ??= []).push(field.value);
      }
    }
    return values;
  }
  function write(form, values) {
    const used = {};
    for (const field of kept(form)) {
      const given = values[field.name];
      if (!given) continue;
      if (field.type === "checkbox" || field.type === "radio") field.checked = given.includes(field.value);
      else if (field.multiple) [...field.options].forEach((option) => (option.selected = given.includes(option.value)));
      else {
        used[field.name] ??= 0;
        if (given[used[field.name]] !== undefined) field.value = given[used[field.name]];
        used[field.name] += 1;
      }
      field.dispatchEvent(new Event("combo:refresh"));
    }
    // The page may compute from the values (scores): tell it once.
    form.querySelector("input, select, textarea")?.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function reload(form, values) {
    const again = document.createElement("form");
    again.method = "post";
    again.action = form.dataset.draftReload;
    again.hidden = true;
    const all = { ...values };
    form.querySelectorAll("input[type=hidden]").forEach((field) => (all[field.name] = [field.value]));
    for (const [name, list] of Object.entries(all)) {
      for (const value of list) {
        const input = document.createElement("input");
        input.name = name;
        input.value = value;
        again.append(input);
      }
    }
    document.body.append(again);
    again.submit();
  }

  /* The revision of the record that the form was drawn from: a draft belongs to it. */
  const drawn = (form) => form.querySelector("input[type=hidden][name=revision]")?.value ?? null;

  function watch(form) {
    if (form.dataset.draftOn) return;
    form.dataset.draftOn = "yes";
    const key = mine + form.dataset.draftKey;
    const first = read(form);
    let draft = null;
    try {
      draft = JSON.parse(sessionStorage.getItem(key));
    } catch {
      sessionStorage.removeItem(key);
    }
    if (draft?.sent || form.querySelector(".is-invalid")) {
      // Saved, or the server gave back what was typed with its remarks.
      sessionStorage.removeItem(key);
    } else if (draft && form.dataset.draftReload && !draft.reloaded && JSON.stringify(draft.values) !== JSON.stringify(first)) {
      // Fields of this form depend on one another: the server draws it with the draft's values, once.
      sessionStorage.setItem(key, JSON.stringify({ ...draft, reloaded: true }));
      reload(form, draft.values);
      return;
    } else if (draft?.reloaded) {
      offer(form, key, null, draft.at);
    } else if (draft && JSON.stringify(draft.values) !== JSON.stringify(first) && form.dataset.draftStale && draft.drawn !== drawn(form)) {
      // Somebody changed the record since: what was typed is offered, never put over it unasked.
      offer(form, key, first, draft.at, draft.values);
    } else if (draft && JSON.stringify(draft.values) !== JSON.stringify(first)) {
      write(form, draft.values);
      offer(form, key, first, draft.at);
    }

    let timer;
    form.addEventListener("input", () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => keep(form, key), 400);
    });
    form.addEventListener("change", () => keep(form, key));
    form.addEventListener("submit", () => {
      window.clearTimeout(timer);
      sessionStorage.setItem(key, JSON.stringify({ at: Date.now(), sent: true, drawn: drawn(form), values: read(form) }));
    });
    form.addEventListener("htmx:afterRequest", (event) => {
      // A 409 is swapped in like an answer, but it means that nothing was saved.
      const saved = event.detail.successful && event.detail.xhr?.status !== 409;
      if (event.detail.elt === form && saved) sessionStorage.removeItem(key);
    });
  }

  function keep(form, key) {
    const at = Date.now();
    sessionStorage.setItem(key, JSON.stringify({ at, sent: false, drawn: drawn(form), values: read(form) }));
    const output = form.querySelector("[data-draft-state]");
    if (output) output.textContent = words.draftKept.replace("{time}", clock(at));
  }

  /* Tells of a restored draft. With `waiting`, the draft is not in the form yet: its owner puts it in or drops it. */
  function offer(form, key, first, at, waiting) {
    const note = document.createElement("div");
    note.className = "draft-note";
    note.setAttribute("role", "status");
    note.append((waiting ? form.dataset.draftStale : words.draft).replace("{time}", clock(at)));
    if (waiting) {
      const use = document.createElement("button");
      use.type = "button";
      use.className = "btn btn-bare btn-sm";
      use.textContent = form.dataset.draftUse;
      use.addEventListener("click", () => {
        write(form, waiting);
        use.remove();
      });
      note.append(use);
    }
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "btn btn-bare btn-sm";
    drop.textContent = words.draftDrop;
    drop.addEventListener("click", () => {
      sessionStorage.removeItem(key);
      if (first === null) {
        window.location.assign(window.location.pathname);
        return;
      }
      write(form, first);
      note.remove();
    });
    note.append(drop);
    form.prepend(note);
  }

  document.addEventListener("click", (event) => {
    const forget = event.target instanceof Element && event.target.closest("[data-draft-forget]");
    const form = forget && document.querySelector("form[data-draft-key]");
    if (form) sessionStorage.removeItem(mine + form.dataset.draftKey);
  });

  const all = (root) => root.querySelectorAll?.("form[data-draft-key]").forEach(watch);
  all(document);
  document.addEventListener("htmx:load", (event) => {
    if (event.target.matches?.("form[data-draft-key]")) watch(event.target);
    all(event.target);
  });
})();
