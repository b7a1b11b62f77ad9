// The credentials, a page of them at a time. Rows are kept and changed in place, so that focus, an
// open answer and a selection survive news.

import { explain, inline } from "./findings.js";
import { hasTrouble } from "./fleet.js";
import { capital, count, element, icon, lasting, mark, moment, number, say } from "./words.js";

/// Rows on one page.
export const AT_ONCE = 50;

// The stable name of waiting for the token of another credential.
const WAITING = "refresh.waiting";

/// Makes a cell of a table. The roles are said, because a narrow page lays cells out as no table.
export function cell(name, style, title, ...inside) {
  const made = element(name, style, ...inside);
  made.setAttribute("role", name === "th" ? "rowheader" : "cell");
  if (name === "th") made.scope = "row";
  if (title !== null) made.dataset.title = title;
  return made;
}

export class Table {
  #rows = new Map();

  constructor(place, fleet) {
    this.place = place;
    this.fleet = fleet;
  }

  /// Shows these credentials, in this order.
  show(credentials) {
    const focused = document.activeElement;
    const gone = new Map(this.#rows);
    let before = this.place.querySelector("thead");
    for (const each of credentials) {
      const row = this.#rows.get(each.id) ?? new Row();
      this.#rows.set(each.id, row);
      gone.delete(each.id);
      row.show(each, this.fleet);
      if (before.nextSibling !== row.group) before.after(row.group);
      before = row.group;
    }
    for (const [id, row] of gone) {
      row.group.remove();
      this.#rows.delete(id);
    }
    // A row that was moved has lost it.
    if (focused !== document.activeElement && this.place.contains(focused)) focused.focus();
  }

  /// Moves all that depends on the time.
  tick() {
    const now = this.fleet.now();
    for (const row of this.#rows.values()) row.tick(now);
  }
}

class Row {
  constructor() {
    this.state = element("span");
    this.id = element("span", "id");
    this.about = element("span", "quiet about");
    this.left = element("span", "left");
    this.end = element("span", "quiet end");
    this.fill = element("span", "fill");
    this.due = element("span", "due");
    this.bar = element("span", "bar", this.fill, this.due);
    this.bar.setAttribute("aria-hidden", "true");
    this.next = element("span");
    this.nextAt = element("span", "quiet");
    this.holder = element("span", "holder");
    this.lease = element("span", "quiet");
    this.calls = element("span", "calls");
    this.assumed = element("span", "quiet");
    this.stateCell = cell("td", "state", "State", this.state);
    const line = element(
      "tr",
      "line",
      this.stateCell,
      cell("th", "name", "Credential", this.id, this.about),
      cell("td", "life", "Remaining life", element("span", "figures", this.left, this.end), this.bar),
      cell("td", "next", "Next refresh", this.next, this.nextAt),
      cell("td", "lease", "Lease", this.holder, this.lease),
      cell("td", "quota", "Calls today", this.calls, this.assumed),
    );
    line.setAttribute("role", "row");
    this.group = element("tbody", null, line);
    this.group.setAttribute("role", "rowgroup");
    this.why = null;
  }

  show(each, fleet) {
    if (this.each?.state !== each.state) {
      this.stateCell.replaceChildren(element("span", "badge", icon(each.state), this.state));
      this.group.className = each.state;
    }
    this.each = each;
    say(this.state, each.state);
    say(this.id, each.id);
    say(this.about, each.parent ? `from ${each.parent}` : each.provider);
    this.group.classList.toggle("derived", Boolean(each.parent));
    mark(this.group, "data-id", each.id);
    say(this.holder, fleet.workerName(each.holder) ?? "nobody yet");
    mark(this.holder, "title", each.holder ? `worker ${each.holder}` : null);
    say(this.lease, each.leased ? "holds it now" : each.holder ? "held the last one" : "");
    this.group.classList.toggle("leased", each.leased);
    const { calls_today: calls, daily_quota: quota } = each;
    say(this.calls, quota === null ? number(calls) : `${number(calls)} of ${number(quota)}`);
    this.calls.classList.toggle("much", quota !== null && quota * 0.9 <= calls);
    say(this.assumed, each.calls_assumed ? "assumed: the count was lost" : "");
    const waits = fleet.waits(each);
    if (hasTrouble(each) || each.reported || waits) {
      this.why ??= new Why(this.group);
      this.why.show(each, waits);
    } else {
      this.why?.line.remove();
      this.why = null;
    }
    this.tick(fleet.now());
  }

  tick(now) {
    const { expires_at: end, issued_at: begin, due_at: due } = this.each;
    const left = end === null ? 0 : Math.max(0, end - now);
    say(this.left, end === null ? "no token" : left === 0 ? "ended" : lasting(left));
    say(this.end, end === null ? "" : `${left === 0 ? "at" : "until"} ${moment(end, now)}`);
    const whole = end !== null && begin !== null ? end - begin : 0;
    const share = whole > 0 ? Math.min(1, left / whole) : 0;
    this.bar.hidden = end === null;
    // The bar moves by its style alone, which a strict policy lets a script set.
    this.fill.style.setProperty("--share", share.toFixed(4));
    const isAhead = whole > 0 && due !== null && now < due && due < end;
    this.due.hidden = !isAhead;
    if (isAhead) this.due.style.setProperty("--share", ((end - due) / whole).toFixed(4));
    say(this.next, this.each.leased ? "now" : due === null ? "as soon as it can" : due <= now ? "due" : `in ${lasting(due - now)}`);
    say(this.nextAt, due === null || due <= now ? "" : moment(due, now));
    this.why?.tick(now);
  }
}

/// What is wrong with a credential, since when, until when its token lasts, and what to do.
class Why {
  constructor(group) {
    this.name = element("code", "finding");
    this.error = element("span");
    this.facts = element("span", "quiet facts");
    this.report = element("p", "report");
    this.answer = element("div", "answer");
    this.todo = element("details", null, element("summary", null, "What to do"), this.answer);
    const inside = cell("td", null, null, element("p", null, this.name, " ", this.error), this.report, this.facts, this.todo);
    inside.colSpan = 6;
    this.line = element("tr", "why", inside);
    this.line.setAttribute("role", "row");
    group.append(this.line);
    this.todo.addEventListener("toggle", () => {
      if (this.todo.open) this.answer.replaceChildren(...explain(this.finding));
    });
  }

  // `waits` says for whom it waits, if it does.
  show(each, waits) {
    const finding = waits ? WAITING : each.finding;
    const another = this.finding !== finding;
    this.each = each;
    this.finding = finding;
    this.name.hidden = this.todo.hidden = !finding;
    if (finding) say(this.name, finding);
    if (another && this.todo.open && finding) this.answer.replaceChildren(...explain(finding));
    const text = waits ?? each.error ?? (each.expires_at === null ? "no valid token is published" : "");
    if (this.error.textContent !== text.replaceAll("`", "")) this.error.replaceChildren(...inline(text));
  }

  tick(now) {
    const { failing_since: since, failures, expires_at: end, due_at: due, reported } = this.each;
    const facts = [];
    if (since !== null) facts.push(`Failing since ${moment(since, now)} (${lasting(now - since)})`);
    if (failures > 0) facts.push(`${count(failures, "try", "tries")} failed in a row`);
    const lasts = end !== null && now < end;
    facts.push(lasts ? `the present token lasts until ${moment(end, now)}` : "applications have no valid token");
    say(this.facts, capital(facts.join(" · ")));
    const wait = due !== null && now < due ? `${lasting(due - now)} to go until it is acted on` : "it is acted on now";
    this.report.hidden = !reported;
    if (reported) say(this.report, `An application reported the token as dead: ${wait}.`);
  }
}
