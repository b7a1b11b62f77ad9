// The page: what the worker tells, shown. It changes nothing.

import { explain, load, refuses } from "./findings.js";
import { Fleet, STATES } from "./fleet.js";
import { follow } from "./stream.js";
import { AT_ONCE, Table, cell } from "./table.js";
import { Timeline } from "./timeline.js";
import { count, element, icon, lasting, moment, number, say, sentence, zone } from "./words.js";

const SPOKEN_APART = 10_000;

const at = (id) => document.getElementById(id);
const fleet = new Fleet();
const table = new Table(at("table"), fleet);
const timeline = new Timeline(fleet, at("picture"), at("legend"), at("story"));
const view = { state: null, find: "", sort: "state", page: 0 };
/// While there is no connection: since when, why, and when the next is tried.
let lost = null;
let spokenAt = -SPOKEN_APART;

follow("events", {
  heard(name, told) {
    lost = null;
    at("gate").hidden = true;
    fleet.take(name, told);
    show();
  },
  lost(reason, pause) {
    const now = performance.now();
    lost = { since: lost?.since ?? now, reason, next: now + pause };
    tick();
  },
  asked: askForToken,
});
load();
setInterval(() => (fleet.endTokens() ? show() : tick()), 1000);

function askForToken(again) {
  const [gate, field] = [at("gate"), at("gate-token")];
  say(at("gate-refused"), again ? "The listener did not take that one." : "");
  lost = null;
  at("link").className = "link";
  say(at("link-text"), "waits for a token");
  gate.hidden = false;
  field.focus();
  return new Promise((resolve) => {
    gate.onsubmit = (event) => {
      event.preventDefault();
      const token = field.value;
      field.value = "";
      resolve(token);
    };
  });
}

// === what is shown when there is news ===

function show() {
  document.body.classList.remove("empty");
  showVerdict();
  showTroubles();
  showStates();
  showTable();
  showWorkers();
  tick();
}

// The store that is away is told apart, with the age of what is shown.
function showTroubles() {
  const troubles = fleet.troubles.filter((each) => fleet.store?.up !== false || each.finding !== fleet.store.finding);
  const place = at("troubles");
  for (const shown of [...place.children]) {
    if (!troubles.some((each) => each.finding === shown.dataset.finding)) shown.remove();
  }
  for (const each of troubles) {
    let shown = place.querySelector(`[data-finding="${each.finding}"]`);
    if (shown === null) {
      shown = element("li", "card", element("p", "what"), element("p", "quiet"), remedy(each.finding));
      shown.dataset.finding = each.finding;
      place.append(shown);
    }
    shown.classList.toggle("grave", refuses(each.finding));
    say(shown.querySelector(".what"), sentence(each.text));
    const since = each.since === null ? "" : `Since ${moment(each.since, fleet.now())}, for ${lasting(fleet.now() - each.since)}.`;
    say(shown.querySelector(".quiet"), since);
  }
}

function showVerdict() {
  const all = fleet.total;
  const trouble = fleet.inTrouble();
  const verdict =
    trouble.length === 0
      ? `${all === 1 ? "The token is" : `All ${number(all)} tokens are`} fresh`
      : `${number(trouble.length)} of ${count(all, "credential needs", "credentials need")} a look`;
  const known = fleet.store?.up === false ? `Last known: ${verdict.replace("All", "all").replace("The", "the")}` : verdict;
  say(at("verdict"), all === 0 ? "No credential is configured" : isUnknown() ? "Nothing is known yet" : known);
  document.title = trouble.length === 0 ? "evertoken" : `(${number(trouble.length)}) evertoken`;
  const more = isUnknown() ? "" : trouble.length === 0 ? comesNext() : whatIsInDanger(trouble);
  say(at("verdict-more"), more);
  speak(`${known}. ${trouble.length === 0 ? "" : more}`);
}

// The worker has looked at no credential yet, or at none that is not well.
function isUnknown() {
  return fleet.credentials.size === 0 && fleet.store?.since === null;
}

function whatIsInDanger(trouble) {
  const without = trouble.filter((each) => each.expires_at === null).length;
  const first = trouble.find((each) => each.expires_at !== null);
  const more = [];
  if (without > 0) more.push(`${count(without, "has", "have")} no valid token`);
  if (first) more.push(`the token of ${first.id} lasts until ${moment(first.expires_at, fleet.now())}`);
  return more.join("; ");
}

function comesNext() {
  if (fleet.troubles.some((each) => refuses(each.finding))) return "No refresh can begin until the store takes changes";
  if (fleet.store?.up === false) return "Who reads this store has no token until it is back";
  let next = null;
  for (const each of fleet.credentials.values()) {
    if (each.due_at !== null && (next === null || each.due_at < next.due_at)) next = each;
  }
  return next === null ? "" : `The next refresh comes at ${moment(next.due_at, fleet.now())}: ${next.id}`;
}

// A screen reader hears what has changed, and not each time.
function speak(text) {
  const now = performance.now();
  if (at("spoken").textContent === text || now - spokenAt < SPOKEN_APART) return;
  spokenAt = now;
  say(at("spoken"), text);
}

function showStates() {
  const counts = fleet.counts();
  const choices = [[null, fleet.credentials.size], ...STATES.map((state) => [state, counts.get(state)])];
  const place = at("states");
  for (const [state, many] of choices) {
    const name = state ?? "all";
    let choice = place.querySelector(`[value="${name}"]`);
    if (choice === null) {
      choice = Object.assign(element("input"), { type: "radio", name: "state", value: name });
      choice.checked = state === view.state;
      choice.addEventListener("change", () => look({ state }));
      place.append(element("label", name, choice, icon(name), element("span", null, name), element("b")));
    }
    say(choice.parentNode.querySelector("b"), number(many));
    choice.parentNode.classList.toggle("none", many === 0);
  }
}

function showTable() {
  const chosen = fleet.select(view);
  const last = Math.max(0, Math.ceil(chosen.length / AT_ONCE) - 1);
  view.page = Math.min(view.page, last);
  const from = view.page * AT_ONCE;
  table.show(chosen.slice(from, from + AT_ONCE));
  for (const sort of ["state", "id", "expiry"]) {
    at(`by-${sort}`).ariaSort = sort === view.sort ? "ascending" : "none";
  }
  const untold = fleet.untold();
  at("nothing").hidden = chosen.length > 0 && untold === 0;
  say(at("nothing"), untold > 0 ? `${count(untold, "more is", "more are")} not shown: of so many, only those that are not well are.` : "None is like that.");
  at("pages").hidden = last === 0;
  at("page-before").disabled = view.page === 0;
  at("page-after").disabled = view.page === last;
  say(at("page-where"), `${number(from + 1)} to ${number(Math.min(from + AT_ONCE, chosen.length))} of ${number(chosen.length)}`);
}

function showWorkers() {
  const rows = fleet.workers.map((each) => {
    const silent = fleet.isSilent(each);
    const mine = each.holder === fleet.worker;
    const now = fleet.now();
    const other = each.version !== fleet.version;
    const name = cell("th", null, null, fleet.workerName(each.holder), mine ? element("span", "tag", "this one") : "");
    name.title = `worker ${each.holder}`;
    const state = silent
      ? [badge("missing", `silent for ${lasting(now - each.seen_at)}`), finding("worker.silent")]
      : [badge("fresh", "alive")];
    const settings = each.differs ? [badge("failing", "differ"), finding("settings.differ")] : ["as here"];
    const row = element(
      "tr",
      silent ? "silent" : "",
      name,
      cell("td", null, null, ...state),
      cell("td", null, "Version", each.version, other ? element("span", "tag warn", `not ${fleet.version}`) : ""),
      cell("td", null, "Settings", ...settings),
      cell("td", null, "Running", silent ? "not known" : lasting(now - each.started_at)),
    );
    row.setAttribute("role", "row");
    return row;
  });
  at("worker-rows").replaceChildren(...rows);
  const silent = fleet.workers.filter((each) => fleet.isSilent(each)).length;
  const said = `${number(fleet.workers.length - silent)} alive${silent > 0 ? `, ${number(silent)} silent` : ""}`;
  say(at("workers-more"), fleet.workers.length > 0 ? said : "none has told of itself yet");
}

function badge(state, text) {
  return element("span", `badge ${state}`, icon(state), text);
}

function finding(name) {
  return element("code", "finding", name);
}

// === what moves with the time ===

function tick() {
  table.tick();
  timeline.draw(at("lanes").value, Number(at("span").value));
  showLink();
  showAway();
}

function showLink() {
  const now = performance.now();
  if (!at("gate").hidden) return;
  at("link").className = lost !== null ? "link lost" : fleet.told === null ? "link" : "link live";
  if (lost !== null) say(at("link-text"), `no connection; next try in ${lasting(lost.next - now)}`);
  else if (fleet.told !== null) say(at("link-text"), "live");
  const { store } = fleet;
  const here = `Told by worker ${fleet.workerName(fleet.worker)}, evertoken ${fleet.version}, store ${store?.where}. It is ${moment(fleet.now(), fleet.now())} (${zone()}).`;
  if (store !== null) say(at("store"), here);
}

// What stands between the page and the truth: no connection to the worker, or none of it to the store.
function showAway() {
  const { store } = fleet;
  const now = fleet.now();
  const isAway = store?.up === false;
  // A connection that ends and comes back at once is nothing to be told.
  const isLost = lost !== null && 3000 < performance.now() - lost.since;
  at("away").hidden = !isAway && !isLost;
  document.body.classList.toggle("stale", isAway || isLost);
  if (isLost) {
    say(at("away-title"), "This page has lost its worker");
    const shown = fleet.told === null ? "Nothing is known yet." : `What is shown is from ${moment(fleet.told, now)}, ${lasting(now - fleet.told)} ago.`;
    say(at("away-text"), `${sentence(lost.reason)} ${shown} It is tried again by itself.`);
    at("away-remedy").replaceChildren();
  } else if (isAway) {
    say(at("away-title"), store.since === null ? "The store was not reached yet" : refuses(store.finding) ? "The store takes no changes" : "The store is away");
    const age = store.since === null ? "" : ` Away for ${lasting(now - store.since)}: what is shown is from ${moment(store.since, now)}.`;
    say(at("away-text"), sentence(store.error ?? "This worker is trying") + age);
    showRemedy(store.finding);
  }
}

function showRemedy(name) {
  const place = at("away-remedy");
  if (name === null || place.dataset.finding === name && place.hasChildNodes()) return;
  place.dataset.finding = name;
  place.replaceChildren(remedy(name));
}

// The name of what is wrong, with what it means and what to do.
function remedy(name) {
  const more = element("details", null, element("summary", null, "What it means and what to do"));
  more.addEventListener("toggle", () => more.append(...(more.childElementCount > 1 ? [] : explain(name))));
  return element("div", null, finding(name), more);
}

// === what a person chooses ===

function look(change) {
  Object.assign(view, { page: 0 }, change);
  showTable();
}

function turn(pages) {
  look({ page: view.page + pages });
  at("credentials").scrollIntoView();
  at("credentials").focus({ preventScroll: true });
}

at("find").addEventListener("input", (event) => look({ find: event.target.value }));
at("sort").addEventListener("change", (event) => look({ sort: event.target.value }));
at("page-before").addEventListener("click", () => turn(-1));
at("page-after").addEventListener("click", () => turn(1));
at("lanes").addEventListener("change", tick);
at("span").addEventListener("change", tick);
