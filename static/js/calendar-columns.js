/* Which columns of the calendar hold their cards. The component reckons everything that it holds anew at each change, and
   the browser lays it out: so of many columns only those in and near the window are held, and they are filled a little
   at a time, one step a frame. Whoever walks through the cards by keyboard finds the next column filled before. */
(() => {
  "use strict";

  const ALL = 160; // so many cards are all held, wherever the window stands
  const STEP = [24, 8]; // cards drawn in one frame: the more are held, the fewer, as each costs a little again
  const NEAR = 1; // columns beside the window
  const KEPT = 2; // and so many stay when it moves on
  const NOTHING = { start: "2000-01-01 00:00", end: "2000-01-01 00:01", resourceIds: [], extendedProps: {} };

  /* `build(key)` gives a column's events by name, each the same object while nothing of it changes; `seen()` the first
     and last column in the window; `held()` says that a card is under somebody's hand.

     The component takes an event away in as many steps as it has events, but puts another in its place in one. So it
     gets numbered places: what leaves gives its place to what comes, in the same order. */
  window.CalendarColumns = class {
    constructor({ build, seen, held, ready }) {
      Object.assign(this, { build, seen, held, ready });
      this.keys = [];
      this.at = new Map();
      this.drawn = new Map(); // column -> name -> { place, event }
      this.whole = new Set(); // columns with all their cards
      this.stale = new Set(); // columns to look at again
      this.free = []; // places to be given again
      this.empty = new Set(); // those of them that show nothing any more
      this.places = 0;
      this.waits = false;
    }

    /* Another set or order of columns; what is drawn in columns that are no longer there goes with the next step. */
    set(keys, cards) {
      this.keys = keys;
      this.at = new Map(keys.map((key, at) => [key, at]));
      this.every = cards <= ALL;
      this.atOnce = cards + keys.length <= STEP[0] * 2;
    }

    /* What the component begins with: everything, or nothing where that is filled step by step, and empty cells are
       there first. */
    first() {
      if (!this.atOnce) return [];
      const events = [];
      for (const key of this.keys) {
        const column = new Map();
        for (const [name, event] of this.build(key)) {
          column.set(name, { place: this.places, event });
          events.push({ ...event, id: String(this.places) });
          this.places += 1;
        }
        this.drawn.set(key, column);
        this.whole.add(key);
      }
      return events;
    }

    attach(ec) {
      this.ec = ec;
      this.go();
    }

    /* The data changed: every held column is looked at again; only what is another than before is drawn. */
    again() {
      for (const key of this.drawn.keys()) this.stale.add(key);
      this.go();
    }

    /* The component moved a card by itself: it is drawn anew from the data. */
    forget(key, name) {
      const card = this.drawn.get(key)?.get(name);
      if (card) card.event = null;
      this.stale.add(key);
    }

    range(more) {
      if (this.every) return [0, this.keys.length - 1];
      const [from, to] = this.seen();
      return [Math.max(0, from - more), Math.min(this.keys.length - 1, to + more)];
    }

    /* Columns in and near the window without their cards, those that can be seen first. */
    missing() {
      const [from, to] = this.range(NEAR);
      const [first, last] = this.seen();
      const found = [];
      for (let at = from; at <= to; at += 1) if (!this.whole.has(this.keys[at])) found.push(at);
      const away = (at) => Math.max(first - at, at - last, 0);
      return found.sort((one, other) => away(one) - away(other) || one - other).map((at) => this.keys[at]);
    }

    /* Columns far from the window, but never one in which somebody is with the keyboard. */
    far() {
      const [from, to] = this.range(KEPT);
      const focus = document.activeElement?.closest?.(".ec-event")?.dataset.column;
      return [...this.drawn.keys()].filter((key) => {
        const at = this.at.get(key);
        return at === undefined || ((at < from || at > to) && key !== focus);
      });
    }

    go() {
      if (this.waits || !this.ec) return;
      this.waits = true;
      // After the frame, not in it: each of the two stays short.
      window.requestAnimationFrame(() => window.setTimeout(() => this.step()));
    }

    step() {
      this.waits = false;
      const focus = document.activeElement?.closest?.(".ec-event[data-visit]");
      const most = Math.max(STEP[1], STEP[0] - Math.floor(this.places / 12));
      let left = most;
      if (!this.held()) {
        for (const key of this.far()) {
          for (const { place } of this.drawn.get(key).values()) this.free.push(place);
          for (const known of [this.drawn, this.whole, this.stale]) known.delete(key);
        }
        for (const key of this.stale) {
          if (left <= 0) break;
          left -= this.compare(key, left);
          if (this.whole.has(key)) this.stale.delete(key);
        }
      }
      for (const key of this.missing()) {
        if (left <= 0) break;
        left -= this.compare(key, left);
      }
      for (const place of this.free) {
        if (left <= 0) break;
        if (this.empty.has(place)) continue;
        this.put(place, NOTHING);
        this.empty.add(place);
        left -= 1;
      }
      if (focus && left < most) Promise.resolve().then(() => this.refocus(focus));
      const [first, last] = this.seen();
      const missing = this.missing();
      if (!missing.some((key) => this.at.get(key) >= first && this.at.get(key) <= last)) this.ready();
      if (missing.length || (!this.held() && (this.stale.size || this.far().length || this.free.length > this.empty.size))) this.go();
    }

    put(place, event) {
      if (place < this.places) this.ec.updateEvent({ ...event, id: String(place) });
      else this.ec.addEvent({ ...event, id: String(place) });
      this.places = Math.max(this.places, place + 1);
    }

    /* Bring a column to what is to be seen, or nearer to it by `most` cards; how many it were. */
    compare(key, most) {
      const cards = this.drawn.get(key) ?? new Map();
      this.drawn.set(key, cards);
      const wanted = this.build(key);
      for (const [name, { place }] of cards) {
        if (wanted.has(name)) continue;
        this.free.push(place);
        cards.delete(name);
      }
      let done = 0;
      this.whole.add(key);
      for (const [name, event] of wanted) {
        const card = cards.get(name) ?? { place: null, event: null };
        if (card.event === event) continue;
        if (done === most) {
          this.whole.delete(key);
          break;
        }
        card.place ??= this.free.shift() ?? this.places;
        card.event = event;
        cards.set(name, card);
        this.put(card.place, event);
        this.empty.delete(card.place);
        done += 1;
      }
      return done;
    }

    /* A card drawn anew is another element: who was on it with the keyboard stays on it. */
    refocus(before) {
      if (before.isConnected || document.activeElement !== document.body) return;
      const { visit, column } = before.dataset;
      const cards = [...document.querySelectorAll(`.ec-event[data-visit="${visit}"]`)];
      (cards.find((card) => card.dataset.column === column) ?? cards[0])?.focus({ preventScroll: true });
    }
  };
})();
