/* The calendar: EventCalendar (static/vendor) draws, this file feeds it, checks a drag while it moves, and keeps up with
   what others change. Times are strings on the wall clock of the location ("2026-12-01 10:00"): they sort as they stand. */
(() => {
  "use strict";

  const filters = document.getElementById("cal-filters");
  if (filters) filters.dataset.live = "yes";
  filters?.addEventListener("change", () => filters.requestSubmit());
  filters?.addEventListener("submit", () => {
    // An address names only what is chosen.
    for (const field of filters.elements) if (field.name && !field.value) field.disabled = true;
  });
  window.addEventListener("pageshow", () => {
    for (const field of filters?.elements ?? []) field.disabled = false;
  });
  if (new URLSearchParams(window.location.search).has("print")) window.print();

  const place = document.getElementById("calendar");
  const source = document.getElementById("calendar-data");
  if (!place || !source || !window.EventCalendar) return;
  const { config, feed: first } = JSON.parse(source.textContent);
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const monthly = config.view === "month";
  const daily = config.view === "day";
  let feed = first;
  let hands = 0; // a visit is being dragged: the page stands still under it

  /* ---- times ---- */
  const two = (number) => String(number).padStart(2, "0");
  /* Minutes on a scale of their own, in which every day has 24 hours, as on the wall. */
  const read = new Map();
  function minutes(wall) {
    let found = read.get(wall);
    if (found === undefined) {
      const [year, month, day, hour, minute] = wall.split(/\D/).map(Number);
      found = Date.UTC(year, month - 1, day, hour ?? 0, minute ?? 0) / 60000;
      read.set(wall, found);
    }
    return found;
  }
  function wall(at) {
    const date = new Date(at * 60000);
    return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  }
  /* The component hands out local dates whose fields are those of the wall clock. */
  const ofDate = (date) =>
    Date.UTC(date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes()) / 60000;
  const clock = (at) => wall(at).slice(11);
  const nowThere = () =>
    minutes(new Intl.DateTimeFormat("sv-SE", { timeZone: config.zone, dateStyle: "short", timeStyle: "short" }).format(new Date()));

  /* ---- what is taken: by practitioner, room, device and patient ---- */
  let taken;
  let resources;
  let columns; // the rows of `resources` that are drawn
  let inColumn; // column -> the visits in it
  let creams; // column -> the visits before which the cream works there
  function take(key, from, until, visit) {
    if (!taken.has(key)) taken.set(key, []);
    taken.get(key).push({ from, until, visit });
  }
  function index() {
    taken = new Map();
    resources = new Map(feed.resources.map((row) => [row.id, row]));
    columns = shownColumns();
    inColumn = new Map();
    const shown = new Set(columns.map((row) => row.id));
    creams = new Map();
    const add = (to, key, visit) => (to.has(key) ? to.get(key).push(visit) : to.set(key, [visit]));
    for (const visit of feed.visits) {
      for (const key of columnsOf(visit)) if (!daily || shown.has(key)) add(inColumn, key, visit);
      if (visit.cream?.r) add(creams, `r${visit.cream.r}`, visit);
    }
    for (const row of [...feed.visits, ...feed.taken]) {
      const from = minutes(row.s);
      const until = minutes(row.e);
      take(`p${row.p}`, from, until, row.id);
      take(`who${row.who}`, row.cream ? minutes(row.cream.s) : from, until, row.id);
      take(`r${row.r}`, from - row.before, until + row.after, row.id);
      if (row.d) take(`d${row.d}`, from - row.before, until + row.after, row.id);
      if (row.cream?.r) take(`r${row.cream.r}`, minutes(row.cream.s), from, row.id);
    }
  }
  /* Columns of a visit: its practitioner's, room's and device's; in a week its day; a month is one. */
  function columnsOf(visit) {
    if (daily) return [`p${visit.p}`, `r${visit.r}`, ...(visit.d ? [`d${visit.d}`] : [])];
    const day = visit.s.slice(0, 10);
    return [monthly ? "month" : day < feed.first ? feed.first : day];
  }
  function shownColumns() {
    const asked = new URLSearchParams(window.location.search);
    return feed.resources.filter((row) => {
      if (config.columns !== "all" && row.group !== config.columns) return false;
      const one = asked.get({ staff: "practitioner", rooms: "room", devices: "device" }[row.group]);
      return !one || one === String(row.key);
    });
  }
  const free = (key, from, until, visit) =>
    !taken.get(key)?.some((span) => span.visit !== visit && span.from < until && from < span.until);
  const able = (key, needs) => needs.every((need) => resources.get(key)?.able.includes(need));
  const works = (key, from, until) =>
    resources.get(key)?.hours.some(([start, end]) => minutes(start) <= from && until <= minutes(end));

  /* Whether a visit may lie there: {why} or the place it would get. The server decides; this answers while it moves. */
  function verdict(visit, to) {
    const { from, until, p, room, device } = to;
    if (to.longer) {
      if (until <= from) return { why: "It must end after it begins." };
    } else if (from < nowThere()) return { why: "This time is past." };
    const staff = resources.get(`p${p}`);
    const name = staff?.title ?? "The practitioner";
    if (!to.here && !works(`p${p}`, from, until)) return { why: `${name} does not work then.` };
    if (!able(`p${p}`, visit.need)) return { why: `${name} does not do this.` };
    if (!free(`p${p}`, from, until, visit.id)) return { why: `${name} has another visit then.` };
    if (!free(`who${visit.who}`, from, until, visit.id)) return { why: "The patient has another visit then." };
    const [before, after] = to.longer ? [visit.before, visit.after] : feed.buffers;
    const holds = (key) => free(key, from - before, until + after, visit.id);
    const pick = (own, fixed, group, what, word) => {
      const wanted = `${group[0]}${fixed ?? own}`;
      const title = resources.get(wanted)?.title ?? word;
      if (fixed && !able(wanted, what)) return { why: `${title} is not fitted for this.` };
      if (holds(wanted) && (fixed || to.longer || able(wanted, what))) return { key: wanted, title };
      if (fixed || to.longer) return { why: `${title} is taken then.` };
      const other = feed.resources.find((row) => row.group === group && what.length && able(row.id, what) && holds(row.id));
      return other ? { key: other.id, title: other.title, other: true } : { why: `No ${word} is free then.` };
    };
    const where = pick(visit.r, room, "rooms", visit.fit, "room");
    if (where.why) return where;
    if (visit.d || visit.tool) {
      const tool = pick(visit.d, device, "devices", visit.tool ? [visit.tool] : [], "device");
      if (tool.why) return tool;
    }
    return { room: where };
  }

  /* ---- drawing ---- */
  const icons = new Map(
    [...document.querySelectorAll("#cal-icons [data-icon]")].map((icon) => [icon.dataset.icon, icon.innerHTML]),
  );
  const safe = (text) =>
    String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
  /* The same words are the same object: the component then leaves the element as it is. A visit's words are made once. */
  const drawn = new Map();
  let made = new WeakMap();
  function content(html) {
    if (!drawn.has(html)) drawn.set(html, { html });
    return drawn.get(html);
  }
  function contentOf(visit) {
    if (!made.has(visit)) made.set(visit, content(card(visit)));
    return made.get(visit);
  }
  const word = (visit) => config.legend.status[visit.st][1];
  function card(visit) {
    const height = ((minutes(visit.e) - minutes(visit.s)) / 5) * config.zoom;
    const times = `${visit.s.slice(11)} to ${visit.e.slice(11)}`;
    const room = resources.get(`r${visit.r}`)?.title ?? "";
    const top = `<span class="top">${icons.get(visit.st)}<span class="nm">${safe(visit.name)}</span>${visit.warn ? `<span class="warn-x" title="${safe(visit.warn)}">${icons.get("warn")}</span>` : ""}</span>`;
    if (monthly) return `<span class="top">${icons.get(visit.st)}<span class="tm">${visit.s.slice(11)}</span> <span class="nm">${safe(visit.name)}</span></span>`;
    // A visit of 45 minutes has room for three lines, of 30 for two, at the usual height of the rows.
    const what = height >= 50 ? "" : `<span class="word">, ${safe(visit.what)}</span>`;
    const second = height >= 34 ? `<span class="dt">${safe(times)}${what}</span>` : "";
    const third =
      height >= 50
        ? `<span class="dt">${safe(visit.what)}<span class="at-staff">, ${safe(room)}</span><span class="at-place">, ${safe(visit.who_treats)}</span></span>`
        : "";
    return top + second + third;
  }
  /* What a card shows by colour, shape and place, in words: hidden elements in each card would cost a layer each. */
  function spoken(visit) {
    const room = resources.get(`r${visit.r}`)?.title ?? "";
    return [visit.name, word(visit), `${visit.s.slice(11)} to ${visit.e.slice(11)}`, visit.what, visit.who_treats, room, visit.warn].filter(Boolean).join(", ");
  }
  function colour(visit) {
    return config.colours === "service" ? `sv-${visit.service}` : config.legend.status[visit.st][0];
  }
  const MOVABLE = new Set(["requested", "booked", "confirmed"]);
  const LONGER = new Set([...MOVABLE, "arrived", "in-treatment"]);
  const GROUPS = { p: "staff", r: "rooms", d: "devices" };
  /* A visit in one of its columns. The same object as long as nothing of it changes: nothing is then drawn again. */
  let pictures = new WeakMap();
  function picture(visit, column) {
    if (!pictures.has(visit)) pictures.set(visit, new Map());
    const known = pictures.get(visit);
    if (!known.has(column)) known.set(column, drawnVisit(visit, column));
    return known.get(column);
  }
  function drawnVisit(visit, column) {
    const length = minutes(visit.e) - minutes(visit.s);
    const tall = (length / 5) * config.zoom;
    const group = daily ? GROUPS[column[0]] : "staff";
    return {
      start: visit.s,
      end: visit.e,
      resourceIds: daily ? [column] : [],
      startEditable: config.mayBook && MOVABLE.has(visit.st),
      durationEditable: config.mayBook && !monthly && LONGER.has(visit.st),
      classNames: ["ev", colour(visit), ...(tall < 34 || monthly ? ["short"] : tall >= 50 ? ["tall"] : []), ...(visit.st === "requested" ? ["dashed"] : []), ...(visit.type ? ["typed", `tone-${visit.type[0]}`, `shape-${visit.type[1]}`] : [])],
      styles: group === "staff" ? [] : [`--before:${visit.before}`, `--after:${visit.after}`],
      extendedProps: { visit, column, group, name: String(visit.id) },
    };
  }
  const others = new Map();
  function once(event) {
    const key = JSON.stringify(event);
    if (!others.has(key)) others.set(key, event);
    return others.get(key);
  }
  const background = (start, end, name, column, text = "") =>
    once({ start, end, display: "background", classNames: [name], resourceIds: daily ? [column] : [], extendedProps: { text, column, name: `${name}:${start}:${end}` } });
  /* Grey: what working hours leave of each day. */
  function outside(hours, column, from = feed.first, days = feed.days) {
    const found = [];
    const spans = hours.map(([start, end]) => [minutes(start), minutes(end)]).sort((one, two) => one[0] - two[0]);
    for (let n = 0; n < days; n += 1) {
      const begin = minutes(`${from} 00:00`) + n * 1440;
      let at = begin;
      for (const [start, end] of spans) {
        if (end <= begin || start >= begin + 1440) continue;
        if (start > at) found.push(background(wall(at), wall(start), "off", column));
        at = Math.max(at, end);
      }
      if (at < begin + 1440) found.push(background(wall(at), wall(begin + 1440), "off", column));
    }
    return found;
  }
  /* Everything of one column. */
  function build(column) {
    const found = (inColumn.get(column) ?? []).map((visit) => picture(visit, column));
    if (daily) {
      const row = resources.get(column);
      if (row.group === "staff") found.push(...outside(row.hours, column));
      else for (const closed of feed.closures) found.push(background(closed.s, closed.e, "off", column, closed.reason));
      for (const visit of creams.get(column) ?? []) found.push(background(visit.cream.s, visit.s, "buf", column, "Cream"));
    } else if (monthly) {
      found.push(...ofMonth());
    } else {
      const who = new URLSearchParams(window.location.search).get("practitioner");
      const staff = feed.resources.filter((row) => row.group === "staff" && (!who || String(row.key) === who));
      found.push(...outside(staff.flatMap((row) => row.hours), column, column, 1));
    }
    return new Map(found.map((event) => [event.extendedProps.name, event]));
  }
  /* Closed days, and numbers where a month has too many visits for names. */
  function ofMonth() {
    const found = [];
    for (const row of feed.closures) {
      found.push(once({ allDay: true, start: row.s.slice(0, 10), end: wall(minutes(row.e) - 1).slice(0, 10), title: row.reason, startEditable: false, durationEditable: false, classNames: ["closed"], extendedProps: { text: `Closed: ${row.reason}`, name: `closed:${row.s}` } }));
    }
    for (const row of feed.numbers) {
      const states = Object.entries(row.states).map(([state, count]) => `<span class="n-x" title="${safe(config.legend.status[state][1])}">${icons.get(state)}<span class="visually-hidden">${safe(config.legend.status[state][1])}</span> ${count}</span>`);
      found.push(once({ allDay: true, start: row.day, end: row.day, startEditable: false, durationEditable: false, classNames: ["numbers"], extendedProps: { html: `<b>${row.n} visits</b> ${states.join(" ")}`, name: `numbers:${row.day}` } }));
    }
    return found;
  }
  /* Each day of a week; the columns of a day. */
  function keys() {
    if (daily) return columns.map((row) => row.id);
    return monthly ? ["month"] : [...Array(7).keys()].map((n) => wall(minutes(`${feed.first} 00:00`) + n * 1440).slice(0, 10));
  }
  function eventContent({ event }) {
    const { visit, text, html } = event.extendedProps ?? {};
    if (event.display === "preview" && visit) {
      return { html: `<span class="top"><span class="nm pv">${safe(visit.name)}</span></span><span class="dt">${clock(ofDate(event.start))} to ${clock(ofDate(event.end))}</span>` };
    }
    if (visit) return contentOf(visit);
    return content(html ?? (text ? `<span class="bg-text">${safe(text)}</span>` : ""));
  }

  /* Practitioners, then rooms and devices behind a thicker rule. */
  let marked = false;
  function marks() {
    if (marked) return;
    marked = true;
    const border = columns.findIndex((row, at) => at > 0 && row.group !== "staff" && columns[at - 1].group === "staff");
    place.querySelectorAll("[data-first]").forEach((cell) => delete cell.dataset.first);
    if (daily && border > 0) {
      [place.querySelectorAll(".ec-col-head:not(.ec-col-group)")[border], place.querySelectorAll(".ec-body .ec-day")[border]].forEach((cell) => {
        if (cell) cell.dataset.first = "yes";
      });
    }
    const main = place.querySelector(".ec-main");
    if (main) main.tabIndex = 0;
    // The component calls itself a table, but its visits lie in no cell: screen readers get a region of buttons instead.
    place.querySelectorAll('[role="table"], [role="row"], [role="rowgroup"], [role="cell"], [role="columnheader"]').forEach((part) => {
      part.removeAttribute("role");
      part.removeAttribute("aria-colindex");
      part.removeAttribute("aria-colspan");
    });
  }
  /* A card's words and place, once, as it comes into the page. A duplicate of a visit is no second stop for Tab. */
  function dress({ event, el }) {
    const { visit, column, group } = event.extendedProps ?? {};
    if (event.classNames.includes("closed")) {
      el.removeAttribute("role");
      el.removeAttribute("tabindex");
    }
    if (!visit || ["preview", "ghost"].includes(event.display)) return;
    Object.assign(el.dataset, { visit: visit.id, column, col: group, quick: "" });
    el.setAttribute("aria-haspopup", "dialog");
    el.setAttribute("aria-label", spoken(visit));
    if (column !== columnsOf(visit).find((key) => !daily || drawer.at.has(key))) el.tabIndex = -1;
  }

  /* The columns that can be seen. Widths are asked for once, not in each frame. */
  let wide = 0;
  let across = 0;
  function seen() {
    const main = place.querySelector(".ec-main");
    if (!wide) {
      across = (main ?? place).clientWidth - SIDE;
      wide = Math.max(NARROWEST, across / (daily ? columns.length : 7));
      place.toggleAttribute("data-roomy", wide >= ROOMY);
    }
    if (!daily) return [0, 6];
    const left = main?.scrollLeft ?? 0;
    return [Math.floor(left / wide), Math.min(columns.length, Math.ceil((left + across) / wide)) - 1];
  }
  const SIDE = 52;
  const NARROWEST = 112;
  const ROOMY = 170; // times and the word of a visit's type beside each other
  const drawer = new window.CalendarColumns({
    build, seen, held: () => hands > 0,
    ready: () => {
      place.dataset.ready = "yes";
    },
  });
  const count = () => [...inColumn.values()].reduce((sum, visits) => sum + visits.length, 0);
  place.addEventListener("scroll", () => drawer.go(), { capture: true, passive: true });
  window.addEventListener("resize", () => {
    wide = 0;
    drawer.go();
  });
  function showColumns() {
    columns = shownColumns();
    wide = 0;
    marked = false;
    drawer.set(keys(), count());
    ec.setOption("datesAboveResources", columns.length > 1);
    ec.setOption("resources", columns);
    drawer.again();
  }
  const calm = { start: "", center: "", end: "" };
  const SLOTS = { 5: "00:05:00", 10: "00:10:00", 15: "00:15:00", 30: "00:30:00" };
  function slotLooks() {
    return {
      slotDuration: SLOTS[config.slot], snapDuration: SLOTS[config.slot], slotHeight: (config.slot / 5) * config.zoom,
      slotLabelInterval: "01:00:00",
    };
  }
  function rowLooks() {
    made = new WeakMap();
    pictures = new WeakMap();
    place.style.setProperty("--cal-min", `${config.zoom / 5}px`);
    place.style.setProperty("--cal-hour", `${config.zoom * 12}px`);
    place.dataset.colours = config.colours;
  }
  function hiddenDays() {
    if (config.view !== "week") return [];
    const sunday = wall(minutes(`${feed.first} 00:00`) + 6 * 1440).slice(0, 10);
    const used = feed.visits.some((row) => row.s.startsWith(sunday)) || feed.resources.some((row) => row.hours?.some(([start]) => start.startsWith(sunday)));
    return used ? [] : [0];
  }
  function scrollTime() {
    const here = nowThere();
    const today = wall(here).slice(0, 10);
    const last = wall(minutes(`${feed.first} 00:00`) + (feed.days - 1) * 1440).slice(0, 10);
    if (today < feed.first || today > last) return feed.hours[0];
    return clock(Math.max(here - 90, minutes(`${today} ${feed.hours[0]}`)));
  }

  /* The calendar fills what is left of the window below it. */
  function fit() {
    place.style.setProperty("--cal-top", `${Math.round(place.getBoundingClientRect().top + window.scrollY)}px`);
  }
  fit();
  window.addEventListener("resize", fit);
  index();
  rowLooks();
  drawer.set(keys(), count());
  /* Asked for at each change, for each column. */
  const labels = new WeakMap();
  function label(resource) {
    if (!labels.has(resource)) labels.set(resource, content(`<b>${safe(resource.title)}</b><span>${safe(resources.get(resource.id)?.text ?? "")}</span>`));
    return labels.get(resource);
  }
  const weekday = new Intl.DateTimeFormat("en-GB", monthly ? { weekday: "short" } : { weekday: "short", day: "numeric", month: "short" });
  const at = (event) => (daily ? (drawer.at.get(event.extendedProps.column) ?? 0) : 0);
  const ec = window.EventCalendar.create(place, {
    view: { day: "resourceTimeGridDay", week: "timeGridWeek", month: "dayGridMonth" }[config.view],
    date: config.day,
    timeZone: config.zone,
    firstDay: 1,
    hiddenDays: hiddenDays(),
    headerToolbar: calm,
    allDaySlot: false,
    // Under the component's own names each card is given another cursor, which costs more than all the rest of a drag.
    theme: (names) => ({ ...names, dragging: "cal-dragging", resizingY: "cal-resizing" }),
    ...slotLooks(),
    slotMinTime: feed.hours[0],
    slotMaxTime: feed.hours[1],
    slotLabelFormat: (time) => `${two(time.getHours())}:${two(time.getMinutes())}`,
    scrollTime: scrollTime(),
    slotEventOverlap: false,
    columnWidth: daily ? `minmax(${NARROWEST}px, 1fr)` : undefined,
    nowIndicator: true,
    editable: config.mayBook,
    eventDragMinDistance: 5,
    dayMaxEvents: true,
    // The cards write their times themselves; the component's own text of each would cost more than the card.
    eventTimeFormat: () => "",
    dayHeaderFormat: (date) => weekday.format(date).replace(",", ""),
    // Tab goes down a column, then through the next one, which is filled by then.
    eventOrder: (one, other) => at(one) - at(other) || one.start - other.start,
    resources: daily ? columns : [],
    // One day over all columns, instead of columns of one day each: the component then builds its cards in a tenth of
    // the steps. Its row with the date is hidden, as the page's title says it.
    datesAboveResources: daily && columns.length > 1,
    resourceLabelContent: ({ resource }) => label(resource),
    events: drawer.first(),
    eventContent,
    eventDidMount: dress,
    eventAllUpdated: marks,
    viewDidMount: marks,
    eventClick({ event, el }) {
      const visit = event.extendedProps?.visit;
      if (visit) window.htmx.ajax("GET", config.card.replace("/0/", `/${visit.id}/`), { source: el, target: "#quick-slot", swap: "innerHTML" });
      else if (monthly) openDay(wall(ofDate(event.start)).slice(0, 10));
    },
    dateClick({ date, resource }) {
      const at = ofDate(date);
      if (monthly) openDay(wall(at).slice(0, 10));
      else bookAt(at, resource);
    },
    dragConstraint: (info) => hover(info, false),
    resizeConstraint: (info) => hover(info, true),
    eventDragStart: grab,
    eventResizeStart: grab,
    eventDragStop: release,
    eventResizeStop: release,
    eventDrop: (info) => drop(info, false),
    eventResize: (info) => drop(info, true),
  });
  wide = 0; // now it can be measured
  drawer.attach(ec);
  if (drawer.atOnce) drawer.ready();

  function openDay(day) {
    const asked = new URLSearchParams(window.location.search);
    asked.set("view", "day");
    asked.set("day", day);
    window.location.assign(`${config.page}?${asked}`);
  }
  /* An empty time: a new visit there; the patient is chosen next. */
  function bookAt(at, resource) {
    if (!config.mayBook) return;
    if (at + config.slot <= nowThere()) {
      say("This time is past. Click a later one.");
      return;
    }
    const to = new URLSearchParams({ day: wall(at).slice(0, 10), time: clock(at) });
    const row = resources.get(resource?.id);
    if (row) to.set({ staff: "practitioner", rooms: "room", devices: "device" }[row.group], row.key);
    else {
      const who = new URLSearchParams(window.location.search).get("practitioner");
      if (who) to.set("practitioner", who);
    }
    window.location.assign(`${config.new}?${to}`);
  }

  /* ---- words beside the calendar ---- */
  const note = document.getElementById("cal-note");
  const live = document.getElementById("cal-live");
  function say(text) {
    if (!text && !note.firstChild) return;
    note.replaceChildren();
    if (!text) {
      fit();
      return;
    }
    const box = document.createElement("div");
    box.className = "note-x note--block";
    box.textContent = text;
    note.append(box);
    fit();
  }
  function tell(text) {
    live.textContent = text;
    live.hidden = !text;
  }

  /* ---- drag and draw ---- */
  let ghost = null; // {visit, to, found, key}
  let asking = 0;
  function grab({ event }) {
    hands += 1;
    ghost = null;
    document.querySelector('#quick [data-remove="quick"]')?.click();
    // What moves is the card under the hand; its like in other columns fades until it is dropped.
    const { visit, column } = event.extendedProps;
    drawer.forget(column, event.extendedProps.name);
    place.querySelectorAll(`.ev[data-visit="${visit.id}"]`).forEach((card) => {
      if (card.dataset.column !== column) card.dataset.twin = "yes";
    });
  }
  function release() {
    hands = Math.max(0, hands - 1);
    window.clearTimeout(asking);
    place.querySelectorAll("[data-twin]").forEach((card) => delete card.dataset.twin);
    delete place.dataset.verdict;
    tell("");
  }
  /* What a position means: which practitioner, and room or device if its column was chosen. */
  function meant({ event }, longer) {
    const { visit, column } = event.extendedProps;
    const to = { from: ofDate(event.start), until: ofDate(event.end), p: visit.p, longer, here: !MOVABLE.has(visit.st) };
    if (longer || !daily) return { visit, to };
    const onto = event.resourceIds[0];
    // Dropped into a column of another group: a practitioner can't become a room.
    if (onto[0] !== column[0]) return null;
    // Dragged in its room's column it keeps the room; in its practitioner's any room that is free will do.
    to[{ p: "p", r: "room", d: "device" }[column[0]]] = Number(onto.slice(1));
    return { visit, to };
  }
  function hover(info, longer) {
    const what = meant(info, longer);
    if (!what) return false;
    const key = JSON.stringify(what.to);
    if (ghost?.key === key) return true;
    const found = verdict(what.visit, what.to);
    ghost = { ...what, key, found };
    show();
    window.clearTimeout(asking);
    if (!found.why) asking = window.setTimeout(() => askServer(ghost), 150);
    return true;
  }
  function show() {
    const { to, found } = ghost;
    place.dataset.verdict = found.why ? "no" : found.leaving?.length ? "late" : "yes";
    const where = !to.longer && found.room?.other ? `, ${found.room.title}` : "";
    tell(`${clock(to.from)} to ${clock(to.until)}${where}${found.why ? `. ${found.why}` : ""}${found.leaving?.length ? `. ${found.leaving.join(" ")}` : ""}`);
  }
  function fields({ visit, to }) {
    const sent = { visit: visit.id, version: visit.v, start: wall(to.from) };
    if (to.longer) sent.end = wall(to.until);
    if (to.p !== visit.p) sent.practitioner = to.p;
    if (to.room) sent.room = to.room;
    if (to.device) sent.device = to.device;
    return sent;
  }
  async function post(url, sent) {
    const answer = await fetch(url, {
      method: "POST", redirect: "manual", headers: { "X-CSRFToken": csrf, Accept: "application/json" }, body: new URLSearchParams(sent),
    });
    if (answer.type === "opaqueredirect") {
      // The screen was locked meanwhile.
      window.location.reload();
      return { status: 0, body: {} };
    }
    const json = answer.headers.get("content-type")?.startsWith("application/json");
    return { status: answer.status, body: json ? await answer.json() : {} };
  }
  async function askServer(asked) {
    try {
      const { body } = await post(config.place, { ...fields(asked), check: "on" });
      if (ghost !== asked || body.ok === undefined) return;
      asked.found = body.ok ? { ...asked.found, leaving: body.leaving } : { why: body.why };
      if (hands) show();
    } catch {
      // The check before the drop is a comfort; saving asks again.
    }
  }
  async function drop(info, longer) {
    // Not when it is taken up: the page must not move under the hand.
    say("");
    const what = meant(info, longer);
    const found = what ? verdict(what.visit, what.to) : { why: "It can't lie there." };
    if (found.why) {
      info.revert();
      say(`${found.why} Nothing was changed.`);
      return;
    }
    hands += 1;
    try {
      let answer = await post(config.place, fields(what));
      if (answer.status === 409 && answer.body.ask) {
        const anyway = await askPerson(what, answer.body);
        if (!anyway) {
          info.revert();
          return;
        }
        answer = await post(config.place, { ...fields(what), anyway: "on" });
      }
      if (answer.status === 200) {
        document.dispatchEvent(new CustomEvent("toast", { detail: answer.body }));
      } else {
        info.revert();
        say(`${answer.body.why ?? "The server could not do this."} Nothing was changed.`);
      }
    } catch {
      info.revert();
      say("The server did not answer. Look at the visit before you try again.");
    } finally {
      hands = Math.max(0, hands - 1);
      refresh();
    }
  }
  const dialog = document.getElementById("cal-ask");
  function askPerson({ visit, to }, { ask: leaving, course, only }) {
    dialog.querySelector("[data-who]").textContent = visit.name;
    dialog.querySelector("[data-when]").textContent = `${wall(to.from).slice(0, 10) === visit.s.slice(0, 10) ? "at" : `on ${new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" }).format(new Date(to.from * 60000)).replace(",", "")} at`} ${clock(to.from)}`;
    dialog.querySelector("[data-list]").replaceChildren(
      ...leaving.map((text) => {
        const line = document.createElement("li");
        line.textContent = text;
        return line;
      }),
    );
    // Where later sessions leave their windows, the course can be laid out around this time: seen first, as in Move.
    const around = dialog.querySelector("[data-course]");
    around.hidden = !course;
    around.action = course?.url ?? "";
    around.elements.slot.value = course?.slot ?? "";
    dialog.querySelector("[data-only]").hidden = !only;
    dialog.querySelector("[data-yes]").hidden = Boolean(only);
    return new Promise((answer) => {
      let yes = false;
      dialog.querySelector("[data-yes]").onclick = () => {
        yes = true;
        dialog.close();
      };
      dialog.querySelector("[data-no]").onclick = () => dialog.close();
      dialog.addEventListener("close", () => answer(yes), { once: true });
      dialog.showModal();
    });
  }

  /* ---- what others change ---- */
  const EVERY_MS = 3000;
  const ANEW_MS = 60000; // hours, absences and facts about patients have no mark of their own
  const UNATTENDED_MS = 60000;
  let fetched = Date.now();
  let missed = 0;
  let timer;
  /* A visit of which nothing changed is the same object as before. */
  function known(fresh, before) {
    const were = new Map(before.map((visit) => [visit.id, visit]));
    return fresh.map((visit) => {
      const was = were.get(visit.id);
      return was && JSON.stringify(was) === JSON.stringify(visit) ? was : visit;
    });
  }
  async function refresh() {
    const answer = await fetch(config.feed, { cache: "no-store", redirect: "manual", headers: unattended() });
    if (answer.type === "opaqueredirect") return window.location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = await answer.json();
    // Another place was chosen in another window: this page's title and filters are not its own any more.
    if (fresh.place !== feed.place) return window.location.reload();
    if (hands) return undefined;
    const before = feed;
    fetched = Date.now();
    fresh.now = before.now;
    fresh.visits = known(fresh.visits, before.visits);
    if (JSON.stringify(fresh) === JSON.stringify(before)) {
      drawer.again();
      return undefined;
    }
    feed = fresh;
    index();
    if (String(before.hours) !== String(feed.hours)) {
      ec.setOption("slotMinTime", feed.hours[0]);
      ec.setOption("slotMaxTime", feed.hours[1]);
    }
    if (JSON.stringify(before.resources) !== JSON.stringify(feed.resources)) {
      // A card names its room.
      made = new WeakMap();
      pictures = new WeakMap();
      if (daily) showColumns();
    }
    drawer.set(keys(), count());
    drawer.again();
    for (const [id, count] of [["cal-hidden", feed.hidden], ["cal-freed", feed.freed]]) {
      const chip = document.getElementById(id);
      if (!chip) continue;
      chip.hidden = !count;
      chip.querySelector("[data-count]").textContent = count;
    }
    return undefined;
  }
  /* Looking after the page is no use of it: the server's idle lock must not wait for this clock. */
  function unattended() {
    const last = Number(localStorage.getItem("mesoclinic-last-use")) || 0;
    return Date.now() - last > UNATTENDED_MS ? { "X-Unattended": "yes" } : {};
  }
  async function look() {
    if (document.hidden || hands || dialog.open) return;
    if (Date.now() - fetched > ANEW_MS) return refresh();
    const answer = await fetch(config.changes, {
      cache: "no-store", redirect: "manual", headers: { "If-None-Match": `"${feed.tag}"`, ...unattended() },
    });
    if (answer.type === "opaqueredirect") return window.location.reload();
    if (answer.status === 204) return refresh();
    if (answer.status !== 304) throw new Error(String(answer.status));
    return undefined;
  }
  async function round() {
    window.clearTimeout(timer);
    try {
      await look();
      if (missed >= 3) tell("");
      missed = 0;
    } catch {
      missed += 1;
      // One lost answer is nothing; after three somebody must know that the page stands still.
      if (missed === 3) tell("No connection: changes by others do not appear.");
    }
    timer = window.setTimeout(round, EVERY_MS);
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) round();
  });
  timer = window.setTimeout(round, EVERY_MS);

  /* ---- the line of now says its time ---- */
  function sayNow() {
    place.querySelectorAll(".ec-now-indicator").forEach((line) => {
      line.dataset.time = clock(nowThere());
    });
  }
  sayNow();
  window.setInterval(sayNow, 15000);

  /* ---- keyboard: up and down walk through a column's visits; Enter opens ---- */
  place.addEventListener("keydown", (event) => {
    const here = event.target.closest?.(".ec-event[data-visit]");
    if (!here || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const column = [...place.querySelectorAll(".ec-event[data-visit]")]
      .filter((one) => one.style.gridColumn === here.style.gridColumn)
      .sort((one, other) => one.offsetTop - other.offsetTop);
    const next = column[column.indexOf(here) + (event.key === "ArrowDown" ? 1 : -1)];
    next?.focus();
    event.preventDefault();
    event.stopPropagation();
  });

  /* ---- as this person likes it ---- */
  async function keep(sent) {
    try {
      await post(config.settings, sent);
    } catch {
      say("How the page looks could not be kept. It holds until you leave.");
    }
  }
  const LOOKS = { zoom: "zoom", slot_min: "slot", colours: "colours" };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-set]");
    if (!button) return;
    const name = button.dataset.set;
    config[LOOKS[name]] = name === "colours" ? button.value : Number(button.value);
    document.querySelectorAll(`[data-set="${name}"]`).forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    rowLooks();
    legend();
    if (name !== "colours") for (const [option, value] of Object.entries(slotLooks())) ec.setOption(option, value);
    drawer.again();
    keep({ [name]: button.value });
  });
  function legend() {
    document.querySelectorAll("[data-colours]:not(#calendar)").forEach((part) => {
      part.hidden = part.dataset.colours !== config.colours;
    });
  }
  legend();
  const order = document.getElementById("cal-order");
  function drawOrder() {
    if (!order) return;
    order.replaceChildren(
      ...feed.resources.map((row, at) => {
        const line = document.createElement("li");
        line.className = "row-x";
        const name = document.createElement("span");
        name.className = "grow";
        name.textContent = row.title;
        line.append(name);
        for (const [step, label, icon] of [[-1, "before", "up"], [1, "after", "down"]]) {
          const button = document.createElement("button");
          button.type = "button";
          button.className = "btn btn-bare btn-icon btn-sm";
          button.innerHTML = icons.get(icon);
          button.setAttribute("aria-label", `${row.title}: one place ${label}`);
          button.disabled = feed.resources[at + step]?.group !== row.group;
          button.addEventListener("click", (event) => {
            event.stopPropagation();
            swap(at, step);
          });
          line.append(button);
        }
        return line;
      }),
    );
  }
  function swap(at, step) {
    const rows = [...feed.resources];
    [rows[at], rows[at + step]] = [rows[at + step], rows[at]];
    feed.resources = rows;
    drawOrder();
    order.children[at + step].querySelectorAll("button:not(:disabled)")[0]?.focus();
    showColumns();
    // Who is not here today keeps a place for the days on which they are.
    const away = config.order.filter((id) => !resources.has(id));
    config.order = [...rows.map((row) => row.id), ...away].slice(0, 200);
    keep({ order: config.order.join() });
  }
  drawOrder();
  const asked = new URLSearchParams(window.location.search);
  const turned = {};
  if (asked.has("view") && config.view !== config.savedView) turned.view = config.view;
  if (asked.has("columns") && config.columns !== config.savedColumns) turned.columns = config.columns;
  if (Object.keys(turned).length) keep(turned);
})();
