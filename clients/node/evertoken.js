// Tokens that evertoken keeps fresh: from memory, followed as they change, reported when they are dead.
//
//   const client = new Client("redis://127.0.0.1:6379/0");   // one for the whole program
//   const token = await client.token("shop");                // from memory, but for the first time
//   const answer = await client.call("shop", askWechat, isDead);
//
// One file to copy. It needs Node.js 18 and node-redis 4, or later, and has two connections to one Redis.
//
// A token that has ended is never handed out. A replaced one is until the worker's message has arrived; if
// messages are lost, for ten seconds at the most, or a quarter of the life that was left when it was read.
// While Redis is away, what was read and is valid is handed out.

"use strict";

const { inspect } = require("util");
const { setTimeout: sleep } = require("timers/promises");
const { createClient } = require("redis");

// In milliseconds. A token is read again after PACE at the latest, and handed out for twice that.
const PACE = 5_000;
const SOONEST = 100;
const AFTER_A_FAILURE = 1_000;
const PATIENCE = 2_000; // For an answer of Redis.
const SUCCESSOR = 2_000; // For the successor of a token that was reported.
const DEAD = [40001, 40014, 42001];

// Whether an answer of WeChat says that the token is dead.
const isDead = (answer) => DEAD.includes(answer.errcode);

// A moment by two clocks. One stands while the machine sleeps, the other can be set: what lies ahead by
// both lies ahead.
const now = () => ({ run: performance.now(), wall: Date.now() });
const later = (at, pause) => ({ run: at.run + pause, wall: at.wall + pause });
const left = (at) => Math.min(at.run - performance.now(), at.wall - Date.now());
const earlier = (one, other) => (one.run < other.run ? one : other);

// None is valid: nothing is published. Try again in a second, or tell your own caller to.
class NoToken extends Error {}

// A token: `text`, or the token itself in a template. What prints objects does not show it.
class Token {
  #text;
  #ends;
  constructor(text, ends) {
    [this.#text, this.#ends] = [text, ends];
  }
  get text() {
    return this.#text;
  }
  get ends() {
    return this.#ends;
  }
  // How many seconds it is still valid; 0 if it is not any more.
  get remaining() {
    return Math.max(0, left(this.#ends)) / 1000;
  }
  toString() {
    return this.#text;
  }
  [inspect.custom]() {
    return "Token(redacted)";
  }
}

class Client {
  #options;
  #prefix;
  #redis; // The connection for answers, as a promise: made at the first use, and anew after an error.
  #ear;
  #entries = new Map();

  // `store` is the URL of a Redis, or what createClient of node-redis takes.
  constructor(store, { prefix = "evertoken" } = {}) {
    const options = typeof store === "string" ? { url: store } : store;
    // A connection that is lost is not waited for: what cannot be asked now is an error.
    const socket = { connectTimeout: PATIENCE, reconnectStrategy: () => new Error("lost"), ...options.socket };
    this.#options = { ...options, socket };
    this.#prefix = prefix;
  }

  // The current token. Throws NoToken, or what node-redis throws if it cannot be read.
  async token(id) {
    const held = this.#entries.get(id)?.held;
    if (held && left(held.until) > 0) return held.token;
    return this.#read(this.#entry(id));
  }

  // request(token); if isDead(answer), once more with another token, for which the dead one is reported if
  // it still stands. If none comes within two seconds, the first answer is given.
  async call(id, request, isDead) {
    const token = await this.token(id);
    const answer = await request(token);
    const newer = isDead(answer) ? await this.#successor(id, token) : null;
    return newer === null ? answer : request(newer);
  }

  // Reports a token that the issuer has called dead, and that is still the current one.
  async report(id, token) {
    await this.#ask((redis) => redis.set(`${this.#prefix}:{${id}}:rejected`, `${token}`, { EX: 600 }));
    await this.#ask((redis) => redis.publish(`${this.#prefix}:rejected`, id));
  }

  // Ends both connections. The next use makes them again.
  close() {
    this.#entries.forEach((entry) => clearTimeout(entry.timer));
    this.#entries.clear();
    const both = [this.#ear, this.#redis];
    this.#ear = this.#redis = undefined;
    for (const each of both) this.#drop(each);
  }

  async #successor(id, dead) {
    const other = async () => {
      const token = await this.#quietly(this.#readAnew(this.#entry(id)));
      return token && token.text !== dead.text ? token : null;
    };
    let newer = await other();
    if (newer !== null) return newer;
    if ((await this.#quietly(this.report(id, dead).then(() => true))) === null) return null;
    for (const ends = later(now(), SUCCESSOR); newer === null && left(ends) > 0; newer = await other()) {
      await sleep(20);
    }
    return newer;
  }

  #entry(id) {
    if (!/^[A-Za-z0-9._-]{1,128}$/.test(id)) throw new TypeError(`${inspect(id)} is no id of a credential`);
    if (!this.#entries.has(id)) this.#entries.set(id, { id });
    return this.#entries.get(id);
  }

  // All who want that now wait for one read.
  #read(entry) {
    entry.reading ??= this.#readOnce(entry).finally(() => {
      entry.reading = undefined;
      clearTimeout(entry.timer);
      // After close() nobody reads it any more.
      if (!entry.held || this.#entries.get(entry.id) !== entry) return;
      entry.timer = setTimeout(() => this.#quietly(this.#read(entry)), Math.max(10, left(entry.held.next)));
      entry.timer.unref();
    });
    return entry.reading;
  }

  // The same by a read that begins now.
  async #readAnew(entry) {
    if (entry.reading) await this.#quietly(entry.reading);
    return this.#read(entry);
  }

  async #readOnce(entry) {
    const key = `${this.#prefix}:{${entry.id}}:token`;
    const asked = now();
    let failure = null;
    try {
      // Of two tokens, the life of the earlier: a later one may come between the two commands.
      const look = async () => [
        await this.#ask((redis) => redis.pTTL(key)),
        await this.#ask((redis) => redis.get(key)),
      ];
      let [life, text] = await look();
      // The first one came between them.
      if (life === -2 && text !== null) [life, text] = await look();
      entry.held = text === null ? undefined : kept(text, life, asked);
    } catch (error) {
      failure = error;
      const token = entry.held?.token;
      const until = token && earlier(later(now(), 10 * AFTER_A_FAILURE), token.ends);
      entry.held = token && { token, until, next: later(now(), AFTER_A_FAILURE) };
    }
    const token = entry.held?.token;
    if (token && token.remaining > 0) return token;
    throw failure ?? new NoToken(`no token of ${entry.id} is valid: \`evertoken status\` tells why`);
  }

  async #ask(command) {
    this.#listen();
    const redis = (this.#redis ??= this.#connect());
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("Redis did not answer in time")), PATIENCE);
    });
    try {
      return await Promise.race([redis.then(command), late]);
    } catch (error) {
      if (this.#redis === redis) this.#redis = undefined;
      this.#drop(redis);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(whenLost = () => {}) {
    const client = createClient(this.#options);
    client.on("error", whenLost);
    client.on("end", whenLost);
    await client.connect();
    return client;
  }

  #drop(connecting) {
    this.#quietly(Promise.resolve(connecting).then((client) => client?.isOpen && client.disconnect()));
  }

  // What workers tell is a hint to read again; the timer of each token is the guarantee.
  async #listen() {
    if (this.#ear) return;
    let lost;
    const isLost = new Promise((resolve) => (lost = resolve));
    const ear = (this.#ear = this.#connect(lost));
    try {
      await (await ear).subscribe(`${this.#prefix}:changed`, (message) => this.#hear(message));
      // What was told before was not heard.
      this.#entries.forEach((entry) => this.#quietly(this.#readAnew(entry)));
      await isLost;
    } catch {
      // It is tried again.
    }
    await sleep(AFTER_A_FAILURE, undefined, { ref: false });
    this.#drop(ear);
    if (this.#ear !== ear) return;
    this.#ear = undefined;
    this.#listen();
  }

  // Anybody may write anything there.
  #hear(message) {
    const named = /^\{"id":"([A-Za-z0-9._-]+)"/.exec(message);
    const entry = named && this.#entries.get(named[1]);
    if (entry) this.#quietly(this.#readAnew(entry));
  }

  async #quietly(promise) {
    return promise.catch(() => null);
  }
}

// What is held of a token that stood at some moment after `asked`.
function kept(text, life, asked) {
  // A token without an end is none that evertoken has written.
  const valid = life === -1 ? 60_000 : Math.max(0, life);
  const pause = Math.min(Math.max(valid / 8, SOONEST), PACE);
  const token = new Token(text, later(asked, valid));
  return { token, until: earlier(later(asked, 2 * pause), token.ends), next: later(asked, pause) };
}

module.exports = { Client, NoToken, Token, isDead };
