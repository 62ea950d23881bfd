/* The treatment page: a field with data-shows-with="name=value" is shown while that answer is chosen. */
(() => {
  "use strict";

  function refresh() {
    document.querySelectorAll("[data-shows-with]").forEach((field) => {
      const [name, value] = field.dataset.showsWith.split("=");
      const chosen = document.querySelector(`[name="${CSS.escape(name)}"]:checked`);
      field.hidden = chosen?.value !== value;
    });
  }
  document.addEventListener("change", refresh);
  document.addEventListener("input", refresh);
  refresh();
})();
