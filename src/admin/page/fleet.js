// What the worker has told of the fleet so far, and which of it is looked at. It touches no document.

/// The states, the worst first.
export const STATES = ["missing", "suspect", "failing", "fresh"];

// A worker says that it is there every few seconds: what is silent for this long is not.
const SILENT_AFTER = 30_000;
const KEPT = 2_000;

export class Fleet {
  #behind = 0;
  #order = new Map();
  #name = new Intl.Collator("en", { numeric: true });

  constructor() {
    this.credentials = new Map();
    this.workers = [];
    /// What is wrong with the fleet and not with one credential.
    this.troubles = [];
    this.happened = [];
    this.store = null;
    this.worker = null;
    this.version = null;
    /// How many credentials there are: of very many, only those that are not well are told.
    this.total = 0;
    this.told = null;
  }

  /// Now, by the store's clock.
  now() {
    return this.#behind + performance.now();
  }

  /// Takes in an event. `whole` replaces all, `change` what it names.
  take(name, told) {
    if (name === "whole") {
      this.credentials.clear();
      this.happened = [];
    } else if (name !== "change") return;
    // A worker that has not reached its store yet does not know the store's time.
    if (told.now !== null) {
      this.#behind = told.now - performance.now();
      this.told = told.now;
    }
    for (const part of ["worker", "version", "total", "store", "workers", "troubles"]) {
      if (told[part] !== undefined) this[part] = told[part];
    }
    const known = this.credentials.size;
    for (const each of told.credentials ?? []) this.credentials.set(each.id, each);
    for (const id of told.removed ?? []) this.credentials.delete(id);
    if (name === "whole" || this.credentials.size !== known || told.removed?.length) this.#sortNames();
    if (told.happened?.length) {
      this.happened = [...told.happened, ...this.happened].sort((a, b) => b.at - a.at).slice(0, KEPT);
    }
  }

  /// Takes from those whose token has ended what they were, and tells whether there were any: while the
  /// store is away, nobody else does.
  endTokens() {
    let any = false;
    for (const each of this.credentials.values()) {
      if (each.state === "missing" || each.expires_at === null || this.now() < each.expires_at) continue;
      each.state = "missing";
      any = true;
    }
    return any;
  }

  // Comparing names takes long; their order changes only when credentials come and go.
  #sortNames() {
    const ids = [...this.credentials.keys()].sort(this.#name.compare);
    this.#order = new Map(ids.map((id, place) => [id, place]));
  }

  /// How many credentials are in each state.
  counts() {
    const counts = new Map(STATES.map((state) => [state, 0]));
    for (const each of this.credentials.values()) counts.set(each.state, counts.get(each.state) + 1);
    return counts;
  }

  /// Of how many nothing is told one by one, because they are well.
  untold() {
    return Math.max(0, this.total - this.credentials.size);
  }

  /// Those that need a look, the worst first.
  inTrouble() {
    return [...this.credentials.values()].filter(hasTrouble).sort((a, b) => this.#compare("state", a, b));
  }

  /// Those in `state` (null: any) in which `find` occurs, in the order of `sort`; what is derived stands
  /// behind its parent.
  select({ state, find, sort }) {
    const wanted = find.trim().toLowerCase();
    const chosen = [...this.credentials.values()].filter(
      (each) => (state === null || each.state === state) && (wanted === "" || this.#text(each).includes(wanted)),
    );
    chosen.sort((a, b) => this.#compare(sort, a, b));
    return chosen.some((each) => each.parent) ? this.#together(chosen) : chosen;
  }

  #text(each) {
    const words = [each.id, each.provider, each.finding, each.error, each.parent, this.workerName(each.holder)];
    return words.filter(Boolean).join(" ").toLowerCase();
  }

  #compare(sort, a, b) {
    const byState = sort === "state" ? rank(a) - rank(b) : 0;
    const byEnd = sort === "id" ? 0 : (a.expires_at ?? 0) - (b.expires_at ?? 0);
    return byState || byEnd || this.#order.get(a.id) - this.#order.get(b.id);
  }

  // A family stands where the first of its members would.
  #together(chosen) {
    const families = new Map();
    for (const each of chosen) {
      const root = this.root(each);
      if (!families.has(root)) families.set(root, []);
      families.get(root).push(each);
    }
    const depth = (each) => (each.parent ? 1 : 0);
    return [...families.values()].flatMap((family) => family.sort((a, b) => depth(a) - depth(b)));
  }

  /// The credential from which this one comes in the end.
  root(each) {
    let id = each.id;
    for (let steps = 0; steps < 8; steps += 1) {
      const parent = this.credentials.get(id)?.parent;
      if (!parent) break;
      id = parent;
    }
    return id;
  }

  /// For whom it waits and why, as `status` says it, or null. What is wrong with itself comes first.
  waits(each, deep = 16) {
    const parent = this.credentials.get(each.parent);
    const isWanted = each.state === "missing" || (each.due_at !== null && each.due_at <= this.now());
    const isLacking = parent?.state === "missing" || parent?.reported;
    if (!isWanted || !isLacking || each.failures > 0) return null;
    const why = (deep > 0 ? this.waits(parent, deep - 1) : null) ?? parent.error;
    return `waits for the token of ${parent.id}${why ? `: ${why}` : ""}`;
  }

  /// A worker in a word: its host, and a part of its id where a host has several.
  workerName(holder) {
    if (!holder) return null;
    const worker = this.workers.find((each) => each.holder === holder);
    const short = holder.slice(0, 4);
    if (!worker?.host) return holder.slice(0, 8);
    const alone = this.workers.filter((each) => each.host === worker.host).length === 1;
    return alone ? worker.host : `${worker.host} ${short}`;
  }

  /// Whether a worker has been heard of lately. While the store is away, nobody hears of another.
  isSilent(worker) {
    const until = this.store?.up === false ? this.store.since : this.now();
    return worker.holder !== this.worker && SILENT_AFTER < until - worker.seen_at;
  }
}

/// Whether a person should look at it.
export function hasTrouble(each) {
  return each.state !== "fresh" || Boolean(each.finding);
}

function rank(each) {
  const place = STATES.indexOf(each.state);
  return each.state === "fresh" && hasTrouble(each) ? place - 0.5 : place;
}
