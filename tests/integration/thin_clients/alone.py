"""What the client in Python has to live through by itself, at the Redis whose URL is given."""

import sys
import time

if sys.argv[2] == "on_windows":
    del time.clock_gettime  # There is none.

import evertoken
import redis

KEY = "evertoken:{shop}:token"
CHANGED = '{"id":"shop","epoch":7,"expires_at":9,"due_at":8}'
url = sys.argv[1]
raw = redis.Redis.from_url(url)


def until(what, state):
    ends = time.monotonic() + 30
    while not state():
        assert time.monotonic() < ends, what
        time.sleep(0.01)


def token(client):
    try:
        return client.token("shop")
    except evertoken.NoToken as none:
        return none


def on_windows():
    before = evertoken.now()
    raw.set(KEY, "first", px=3_600_000)
    assert evertoken.Client(url).token("shop") == "first"
    assert before <= evertoken.now()


def a_token_that_comes_between_the_two_commands():
    class Store(redis.Redis):
        def pttl(self, key):
            life = super().pttl(key)
            raw.set(KEY, "first", px=3_600_000)
            return life

    assert raw.pttl(KEY) == -2
    client = evertoken.Client(Store.from_url(url))
    assert 3_000 < client.token("shop").remaining


def bytes_that_are_no_text():
    raw.set(KEY, "first", px=3_600_000)
    client = evertoken.Client(redis.Redis.from_url(url, decode_responses=True))
    assert client.token("shop") == "first"
    until("it listens", lambda: raw.pubsub_numsub("evertoken:changed")[0][1] == 1)
    thread = client._thread
    for garbage in (b"\xff\xfe", "[" * 100_000):
        raw.publish("evertoken:changed", garbage)

    def follows(text, is_it):
        def told():
            raw.publish("evertoken:changed", CHANGED)
            return is_it(token(client))

        raw.set(KEY, text, px=3_600_000)
        until("it follows", told)
        assert client._thread is thread and thread.is_alive()

    follows("second", lambda held: held == "second")
    follows(b"t0k3n\xff", lambda held: isinstance(held, evertoken.NoToken) and "t0k3n" not in repr(held))
    follows("third", lambda held: held == "third")


globals()[sys.argv[2]]()
