/* Running clocks, counted from the server's time. Without this script the times of the last load stand there.
   data-since: time passed; data-until: time left; data-cream: state and time on the skin. */
(() => {
  "use strict";

  // The page's own clock may be wrong: how far, is known at each load of the part.
  function shift(element) {
    const root = element.closest("[data-server-now]");
    if (!root) return 0;
    if (!root.dataset.shift) root.dataset.shift = String(Number(root.dataset.serverNow) - Date.now() / 1000);
    return Number(root.dataset.shift);
  }
  function words(seconds) {
    const all = Math.max(0, Math.floor(seconds));
    const hours = Math.floor(all / 3600);
    const minutes = Math.floor((all % 3600) / 60);
    const pad = (n) => String(n).padStart(2, "0");
    return hours ? `${hours}:${pad(minutes)}:${pad(all % 60)}` : `${minutes}:${pad(all % 60)}`;
  }
  function put(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }
  function tick() {
    document.querySelectorAll("[data-since]").forEach((chip) => {
      const now = Date.now() / 1000 + shift(chip);
      put(chip.querySelector("[data-passed]"), words(now - Number(chip.dataset.since)));
    });
    document.querySelectorAll("[data-until]").forEach((chip) => {
      const left = Number(chip.dataset.until) - Date.now() / 1000 - shift(chip);
      put(chip.querySelector("[data-left]"), left > 0 ? words(left) : chip.dataset.over);
    });
    document.querySelectorAll("[data-cream]").forEach((cream) => {
      const now = Date.now() / 1000 + shift(cream);
      const { on, ready, most } = cream.dataset;
      const state = now < Number(ready) ? "acting" : now < Number(most) ? "ready" : "late";
      put(cream.querySelector("[data-cream-clock]"), words(now - Number(on)));
      if (cream.dataset.cream === state) return;
      cream.dataset.cream = state;
      cream.querySelectorAll("[data-when]").forEach((chip) => {
        chip.hidden = chip.dataset.when !== state;
      });
      const said = cream.querySelector(`[data-when="${state}"]`);
      put(document.querySelector("[data-clock-news]"), `${cream.dataset.who}: ${said.textContent}`);
    });
  }
  tick();
  window.setInterval(tick, 1000);
  document.addEventListener("htmx:afterSwap", tick);
})();
