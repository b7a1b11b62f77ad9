// What happened lately, as a picture: a lane for each worker or credential, a sign for each event.

import { count, element, lasting, minute, moment, say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const LANES = 12;
const IN_WORDS = 100;

// How much time the picture may show, in ms: it is the least that has all in it, unless a person chose.
const SPANS = [2, 5, 15, 30, 60, 120, 360, 720, 1440, 4320].map((minutes) => minutes * 60_000);

/// What happens, the sign it has, and what it is called.
const KINDS = {
  refreshed: { sign: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", one: "refresh", many: "refreshes", verb: "was refreshed" },
  failed: { sign: "M0-6 6.5 5.5H-6.5z", one: "failure", many: "failures", verb: "failed to be refreshed" },
  reported: { sign: "M0-6.5 6.5 0 0 6.5-6.5 0z", one: "report", many: "reports", verb: "was reported as dead" },
  taken_over: { sign: "M-6-5h4l5 5-5 5h-4l5-5zM0-5h3l5 5-5 5H0l5-5z", one: "takeover", many: "takeovers", verb: "was taken over" },
  died_early: { sign: "M-6-4-4-6 0-2 4-6 6-4 2 0 6 4 4 6 0 2-4 6-6 4-2 0z", one: "early death", many: "early deaths", verb: "died early" },
  lost: { sign: "M-5.5-5.5h11v11h-11z", one: "loss", many: "losses", verb: "was lost by the store" },
};

export class Timeline {
  #drawn = "";

  constructor(fleet, picture, legend, story) {
    Object.assign(this, { fleet, picture, legend, story });
    new ResizeObserver(() => this.draw()).observe(picture);
    for (const [kind, { many }] of Object.entries(KINDS)) {
      const text = element("span", null, many);
      legend.append(element("li", null, this.#svg(16, 16, sign(kind, 8, 8)), text));
    }
  }

  /// Draws the last `chosen` ms (0: all that is known), if a pixel or an event has changed.
  draw(lanes = this.lanes, chosen = this.chosen) {
    Object.assign(this, { lanes, chosen });
    const width = Math.floor(this.picture.clientWidth);
    if (width === 0 || this.fleet.told === null) return;
    const now = this.fleet.now();
    const oldest = this.fleet.happened.at(-1)?.at ?? now;
    const span = chosen || (SPANS.find((each) => now - oldest < each * 0.97) ?? SPANS.at(-1));
    this.span = span;
    const seen = this.fleet.happened.filter((each) => now - span < each.at);
    const step = Math.max(1000, span / width);
    const state = [width, lanes, span, Math.floor(now / step), seen.length, seen[0]?.at, this.fleet.workers.length].join();
    if (state === this.#drawn) return;
    this.#drawn = state;
    this.#count(seen);
    this.#paint(width, now, seen);
    this.#tell(seen, now);
  }

  #count(seen) {
    Object.entries(KINDS).forEach(([kind, { one, many }], place) => {
      const found = seen.filter((each) => each.what === kind).length;
      say(this.legend.children[place].lastChild, count(found, one, many));
      this.legend.children[place].classList.toggle("none", found === 0);
    });
  }

  #paint(width, now, seen) {
    const narrow = width < 560;
    const gutter = narrow ? 0 : Math.min(190, width * 0.2);
    const tall = narrow ? 44 : 32;
    const { names, laneOf } = this.#lanes(seen);
    const height = names.length * tall + 26;
    const from = gutter + 8;
    const x = (at) => from + (width - from - 10) * (1 - (now - at) / this.span);
    const parts = [];
    const { step, ticks } = this.#ticks(now, width - from);
    ticks.forEach((at) => {
      parts.push(shape("line", "grid", { x1: x(at), x2: x(at), y1: 0, y2: height - 22 }));
      parts.push(label(step < 60_000 ? moment(at, now) : minute(at), "tick", x(at), height - 6));
    });
    names.forEach((name, place) => {
      const y = place * tall + (narrow ? 30 : tall / 2);
      parts.push(shape("line", "lane", { x1: from, x2: width - 10, y1: y, y2: y }));
      parts.push(label(name, "lane-name", narrow ? 8 : 0, narrow ? y - 14 : y + 4, narrow ? width : gutter));
    });
    for (const each of [...seen].reverse()) {
      const place = laneOf(each);
      const made = sign(each.what, x(each.at), place * tall + (narrow ? 30 : tall / 2));
      const title = document.createElementNS(SVG, "title");
      title.textContent = this.#sentence(each, now);
      made.append(title);
      parts.push(made);
    }
    const svg = this.#svg(width, height, ...parts);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", this.#summary(seen));
    this.picture.replaceChildren(svg);
  }

  // The lanes by name, and which lane an event is in: the last one takes what finds no room.
  #lanes(seen) {
    const byHolder = this.lanes === "holder";
    const key = (each) => (byHolder ? each.holder : each.credential) ?? "";
    const known = byHolder ? this.fleet.workers.map((each) => each.holder) : [];
    const all = [...new Set([...known, ...seen.map(key)])].filter(Boolean);
    const nameOf = (each) => (byHolder ? this.fleet.workerName(each) : each);
    const kept = all.slice(0, LANES).sort((a, b) => nameOf(a).localeCompare(nameOf(b), "en", { numeric: true }));
    const needsRest = seen.some((each) => !kept.includes(key(each)));
    const names = [...kept.map(nameOf), ...(needsRest ? [all.length > LANES ? "all others" : "no worker"] : [])];
    const places = new Map(kept.map((each, place) => [each, place]));
    if (names.length === 0) names.push("nothing yet");
    return { names, laneOf: (each) => places.get(key(each)) ?? kept.length };
  }

  // Full steps of the clock, as many as have room.
  #ticks(now, width) {
    const minutes = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360];
    const step = 60_000 * (minutes.find((each) => (this.span / (each * 60_000)) * (each < 1 ? 84 : 64) < width) ?? 720);
    const offset = new Date(now).getTimezoneOffset() * 60_000;
    const last = Math.floor((now - offset) / step) * step + offset;
    const ticks = [];
    for (let at = last; now - this.span * 0.97 < at; at -= step) {
      // One at the edge would be cut.
      if (this.span * 0.02 < now - at) ticks.push(at);
    }
    return { step, ticks };
  }

  #summary(seen) {
    const found = Object.entries(KINDS).map(([kind, { one, many }]) => {
      const times = seen.filter((each) => each.what === kind).length;
      return times > 0 ? count(times, one, many) : null;
    });
    return `In the last ${lasting(this.span)}: ${found.filter(Boolean).join(", ") || "nothing happened"}`;
  }

  #sentence(each, now) {
    const by = each.holder ? ` by ${this.fleet.workerName(each.holder)}` : "";
    const more = each.detail ? `: ${each.detail}` : "";
    return `${moment(each.at, now)} ${each.credential ?? "everything"} ${KINDS[each.what]?.verb ?? each.what}${by}${more}`;
  }

  #tell(seen, now) {
    const lines = seen.slice(0, IN_WORDS).map((each) => element("li", null, this.#sentence(each, now)));
    this.story.replaceChildren(...(lines.length > 0 ? lines : [element("li", null, this.#summary(seen))]));
  }

  #svg(width, height, ...inside) {
    const svg = shape("svg", null, { viewBox: `0 0 ${width} ${height}`, width, height });
    if (inside.length < 2) svg.setAttribute("aria-hidden", "true");
    svg.append(...inside);
    return svg;
  }
}

function sign(kind, x, y) {
  const path = shape("path", `sign ${kind}`, { d: KINDS[kind]?.sign ?? KINDS.refreshed.sign });
  path.setAttribute("transform", `translate(${x.toFixed(1)} ${y})`);
  return path;
}

function label(text, style, x, y, room = Infinity) {
  const made = shape("text", style, { x, y });
  const most = Math.floor(room / 7);
  made.textContent = text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  return made;
}

function shape(name, style, attributes) {
  const made = document.createElementNS(SVG, name);
  if (style) made.setAttribute("class", style);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
