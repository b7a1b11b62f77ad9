"""Tokens that evertoken keeps fresh: from memory, followed as they change, reported when they are dead.

    client = evertoken.Client("redis://127.0.0.1:6379/0")    # one for the whole program
    token = client.token("shop")                             # from memory, but for the first time
    answer = client.call("shop", ask_wechat, evertoken.is_dead)

One file to copy. It needs Python 3.9 and redis-py 4.3, or later, and has one thread, which it starts when
it is first asked: in a program that forks, make the client after the fork.

A token that has ended is never handed out. A replaced one is until the worker's message has arrived; if
messages are lost, for ten seconds at the most, or a quarter of the life that was left when it was read.
While Redis is away, what was read and is valid is handed out.
"""

import json
import re
import threading
import time

import redis

PACE = 5.0  # Seconds after which a token is read again at the latest; handed out for twice that.
SOONEST = 0.1  # And after which at the soonest, however short it lives.
AFTER_A_FAILURE = 1.0
SUCCESSOR = 2.0  # How long a caller waits for the successor of a token that was reported.
PING = 20.0  # How often the connection on which changes are heard is used.
DEAD = (40001, 40014, 42001)


class NoToken(LookupError):
    """None is valid: nothing is published. Try again in a second, or tell your own caller to."""


class Token(str):
    """A token. It knows how long it is valid, and repr() does not show it."""

    def __new__(cls, text, ends):
        token = super().__new__(cls, text)
        token.ends = ends
        return token

    @property
    def remaining(self):
        """How many seconds it is still valid; 0 if it is not any more."""
        return max(0.0, self.ends - now())

    def __repr__(self):
        return "Token(redacted)"


def is_dead(answer):
    """Whether an answer of WeChat says that the token is dead."""
    return answer.get("errcode") in DEAD


def now():
    """Seconds on a clock that nobody can set; on Linux it counts the machine's sleep."""
    if not hasattr(time, "clock_gettime"):  # Windows.
        return time.monotonic()
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Entry:
    """What is held of one credential: a token, until when it is handed out, when it is read again."""

    def __init__(self, id):
        self.id, self.lock = id, threading.Lock()
        self.held, self.error = None, None
        self.began = self.ended = float("-inf")  # The last read.


class Client:
    """Hands out tokens. `store` is the URL of a Redis, or a client of redis-py, as for Sentinel or Cluster."""

    def __init__(self, store, prefix="evertoken"):
        if isinstance(store, str):
            store = redis.Redis.from_url(store, socket_timeout=2, socket_connect_timeout=2)
        self._redis, self._prefix = store, prefix
        self._entries, self._adding = {}, threading.Lock()
        self._thread, self._closed = None, threading.Event()

    def token(self, id):
        """The current token. Raises NoToken, or redis.RedisError if it cannot be read."""
        entry = self._entries.get(id)
        held = entry and entry.held
        if held and now() < held[1]:
            return held[0]
        return self._read(self._entry(id))

    def call(self, id, request, is_dead):
        """request(token); if is_dead(answer), once more with another token, for which the dead one is
        reported if it still stands. If none comes within two seconds, the first answer is given."""
        token = self.token(id)
        answer = request(token)
        newer = self._successor(id, token) if is_dead(answer) else None
        return answer if newer is None else request(newer)

    def report(self, id, token):
        """Reports a token that the issuer has called dead, and that is still the current one."""
        self._redis.set(f"{self._prefix}:{{{id}}}:rejected", str(token), ex=600)
        self._redis.publish(f"{self._prefix}:rejected", id)

    def close(self):
        """Ends the thread."""
        self._closed.set()

    def _successor(self, id, dead):
        def other():
            try:
                token = self._read(self._entry(id), anew=True)
            except (NoToken, redis.RedisError):
                return None
            return None if token == dead else token

        newer = other()
        try:
            if newer is None:
                self.report(id, dead)
        except redis.RedisError:
            return None
        ends = now() + SUCCESSOR
        while newer is None and now() < ends:
            time.sleep(0.02)
            newer = other()
        return newer

    def _entry(self, id):
        if not re.fullmatch("[A-Za-z0-9._-]{1,128}", id):
            raise ValueError(f"{id!r} is no id of a credential")
        with self._adding:
            if not (self._thread and self._thread.is_alive()):
                self._thread = threading.Thread(target=self._follow, daemon=True)
                self._thread.start()
            return self._entries.setdefault(id, Entry(id))

    def _read(self, entry, anew=False):
        """All who want that now wait for one read; `anew`: for one that begins after they came."""
        came = now()
        with entry.lock:
            if (entry.began if anew else entry.ended) < came:
                self._ask(entry)
            held, error = entry.held, entry.error
        if held and now() < held[0].ends:
            return held[0]
        raise error or NoToken(f"no token of {entry.id} is valid: `evertoken status` tells why")

    def _ask(self, entry):
        entry.began, entry.error = now(), None
        try:
            life, text = self._look(f"{self._prefix}:{{{entry.id}}}:token")
        except UnicodeDecodeError:  # It shows the bytes.
            entry.held, entry.error = None, NoToken(f"what stands for {entry.id} is no token")
        except redis.RedisError as error:
            entry.error, at = error, now()
            if entry.held:
                token = entry.held[0]
                until = min(at + 10 * AFTER_A_FAILURE, token.ends)
                entry.held = (token, until, at + AFTER_A_FAILURE)
        else:
            entry.held = self._kept(text, life, entry.began)
        entry.ended = now()

    def _look(self, key):
        # Of two tokens, the life of the earlier: a later one may come between the two commands.
        life, text = self._redis.pttl(key), self._redis.get(key)
        if life == -2 and text is not None:  # The first one came between them.
            life, text = self._redis.pttl(key), self._redis.get(key)
        return life, text.decode() if isinstance(text, bytes) else text

    @staticmethod
    def _kept(text, life, asked):
        if text is None:
            return None
        # A token without an end is none that evertoken has written.
        life = 60.0 if life == -1 else max(0, life) / 1000
        token = Token(text, asked + life)
        pause = min(max(life / 8, SOONEST), PACE)
        return (token, min(asked + 2 * pause, token.ends), asked + pause)

    # What workers tell is a hint to read again; that all are read again in time is the guarantee.

    def _follow(self):
        while not self._closed.is_set():
            try:
                with self._redis.pubsub() as heard:
                    heard.subscribe(f"{self._prefix}:changed")
                    self._hear(heard)
            except (redis.RedisError, OSError, UnicodeDecodeError):
                pass
            ends = now() + AFTER_A_FAILURE
            while now() < ends and not self._closed.wait(self._read_due()):
                pass

    def _hear(self, heard):
        answered = asked = now()
        # One that is lost without a word answers no ping.
        while not self._closed.is_set() and now() < answered + PING + 5:
            message = heard.get_message(timeout=self._read_due())
            if message:
                answered = now()
                self._read_again(message)
            elif asked + PING < now():
                asked = now()
                heard.ping()

    def _read_again(self, message):
        entries = list(self._entries.values())
        if message["type"] == "message":
            try:
                entries = [self._entries[json.loads(message["data"])["id"]]]
            except (ValueError, KeyError, TypeError, RecursionError):
                entries = []  # About another's credential, or anything: anybody may write it.
        elif message["type"] != "subscribe":
            return
        # What was told before the subscription was not heard.
        for entry in entries:
            self._quietly(entry, anew=True)

    def _read_due(self):
        """Reads what is due. Returns how long nothing is."""
        for entry in list(self._entries.values()):
            if entry.held and entry.held[2] <= now():
                self._quietly(entry)
        nexts = [entry.held[2] for entry in list(self._entries.values()) if entry.held]
        return min(max(min(nexts, default=now() + 1) - now(), 0.01), 1.0)

    def _quietly(self, entry, anew=False):
        try:
            self._read(entry, anew)
        except (NoToken, redis.RedisError):
            pass
