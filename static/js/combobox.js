/* A search field over a long <select data-code-search>. The select keeps the value; without script it stays as it is. */
(() => {
  "use strict";

  const words = document.getElementById("words")?.dataset ?? {};
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  let count = 0;

  function build(select) {
    if (select.dataset.combo || select.multiple) return;
    select.dataset.combo = "yes";
    count += 1;

    const input = document.createElement("input");
    const list = document.createElement("ul");
    const box = document.createElement("div");
    box.className = "combo";
    input.className = `form-control${select.classList.contains("is-invalid") ? " is-invalid" : ""}`;
    input.type = "text";
    input.autocomplete = "off";
    input.spellcheck = false;
    input.disabled = select.disabled;
    input.required = select.required;
    input.id = `${select.id || `code-${count}`}-search`;
    list.id = `${input.id}-list`;
    list.className = "combo-list";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    const attributes = {
      role: "combobox",
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      "aria-controls": list.id,
    };
    for (const name of ["aria-describedby", "aria-invalid", "aria-label", "aria-labelledby"]) {
      const value = select.getAttribute(name);
      if (value) attributes[name] = value;
    }
    for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
    const label = select.labels?.[0];
    if (label) {
      label.htmlFor = input.id;
      label.id ||= `${input.id}-label`;
      list.setAttribute("aria-labelledby", label.id);
    } else if (attributes["aria-label"]) {
      list.setAttribute("aria-label", attributes["aria-label"]);
    }
    select.required = false;
    select.hidden = true;
    select.before(box);
    box.append(input, list, select);

    let options = [];
    let active = -1;

    const labelOf = () => {
      const option = select.selectedOptions[0];
      return option && option.value ? option.label.trim() : "";
    };
    const shown = () => [...list.querySelectorAll('[role="option"]')];

    function rank(option, wanted) {
      const text = plain(`${option.label} ${option.dataset.search ?? ""} ${option.value}`);
      if (!wanted.every((word) => text.includes(word))) return -1;
      const label = plain(option.label);
      if (label.startsWith(wanted[0] ?? "")) return 0;
      return label.split(/[\s(,/-]+/).some((word) => word.startsWith(wanted[0])) ? 1 : 2;
    }

    function show(filter) {
      const wanted = plain(filter).split(/\s+/).filter(Boolean);
      options = [...select.options]
        .filter((option) => option.value && !option.disabled)
        .map((option, at) => ({ option, at, rank: wanted.length ? rank(option, wanted) : 0 }))
        .filter((entry) => entry.rank >= 0)
        .sort((one, two) => one.rank - two.rank || one.at - two.at)
        .slice(0, 60)
        .map((entry) => entry.option);
      let group = "";
      list.replaceChildren();
      options.forEach((option, at) => {
        const name = option.parentElement instanceof HTMLOptGroupElement ? option.parentElement.label : "";
        if (!wanted.length && name && name !== group) {
          const head = document.createElement("li");
          head.className = "grp";
          head.setAttribute("role", "presentation");
          head.textContent = name;
          list.append(head);
          group = name;
        }
        const item = document.createElement("li");
        item.id = `${list.id}-${at}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", String(option.selected));
        item.textContent = option.label;
        list.append(item);
      });
      if (!options.length) {
        const none = document.createElement("li");
        none.className = "none";
        none.setAttribute("role", "option");
        none.setAttribute("aria-disabled", "true");
        none.textContent = words.noMatch;
        list.append(none);
      }
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(options.length ? 0 : -1);
    }

    function hide() {
      list.hidden = true;
      active = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function mark(at) {
      active = at;
      shown().forEach((item, index) => item.classList.toggle("on", index === at && options.length > 0));
      const item = shown()[at];
      if (item && options.length) {
        input.setAttribute("aria-activedescendant", item.id);
        item.scrollIntoView({ block: "nearest" });
      } else {
        input.removeAttribute("aria-activedescendant");
      }
    }

    function take(option) {
      select.value = option ? option.value : "";
      input.value = labelOf();
      input.setCustomValidity("");
      hide();
      // Bubbling, so that htmx and drafts hear it as from the plain select.
      select.dispatchEvent(new Event("input", { bubbles: true }));
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }

    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => list.hidden && show(""));
    input.addEventListener("input", (event) => {
      // The letters are a filter, not the value: nobody else shall hear them.
      event.stopPropagation();
      show(input.value);
    });
    input.addEventListener("change", (event) => event.stopPropagation());
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (list.hidden) show("");
        else if (options.length) {
          mark((active + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length);
        }
      } else if (event.key === "Enter" && !list.hidden) {
        if (options[active]) take(options[active]);
      } else if (event.key === "Escape" && !list.hidden) {
        input.value = labelOf();
        hide();
        event.stopPropagation();
      } else return;
      event.preventDefault();
    });
    input.addEventListener("blur", () => {
      if (list.hidden) return;
      if (!input.value.trim()) take(null);
      else {
        const typed = plain(input.value.trim());
        const exact = options.find((option) => plain(option.label.trim()) === typed);
        // One answer left is what was meant; else the choice before stays.
        const one = exact ?? (options.length === 1 ? options[0] : null);
        if (one) take(one);
        else {
          input.value = labelOf();
          hide();
        }
      }
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const at = shown().indexOf(event.target.closest('[role="option"]'));
      if (options[at]) take(options[at]);
    });
    select.addEventListener("combo:refresh", () => {
      input.value = labelOf();
    });
    select.form?.addEventListener("reset", () => window.setTimeout(() => (input.value = labelOf())));
    input.value = labelOf();
    input.placeholder = "";
  }

  const all = (root) => root.querySelectorAll?.("select[data-code-search]").forEach(build);
  all(document);
  document.addEventListener("htmx:load", (event) => {
    if (event.target.matches?.("select[data-code-search]")) build(event.target);
    all(event.target);
  });
})();
