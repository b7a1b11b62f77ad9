"""What redis-py does unless it is told otherwise, as far as an application needs it.

Values are bytes, or texts with decode_responses; nil is None; None as an argument is a DataError.
"""

import socket


class DataError(Exception):
    pass


class ResponseError(Exception):
    pass


class Redis:
    def __init__(self, host="localhost", port=6379, decode_responses=False):
        self._is_text = decode_responses
        self._stream = socket.create_connection((host, port)).makefile("rwb")

    def get(self, name):
        return self._ask("GET", name)

    def set(self, name, value, ex=None):
        expiry = [] if ex is None else ["EX", ex]
        return self._ask("SET", name, value, *expiry) in ("OK", b"OK")

    def publish(self, channel, message):
        return self._ask("PUBLISH", channel, message)

    def _ask(self, *words):
        words = [_encoded(word) for word in words]
        self._stream.write(b"*%d\r\n" % len(words))
        for word in words:
            self._stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
        self._stream.flush()
        line = self._stream.readline().removesuffix(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise ResponseError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            rest = self._stream.read(int(rest) + 2)[:-2]
        return rest.decode() if self._is_text else rest


def _encoded(word):
    if isinstance(word, bytes):
        return word
    if isinstance(word, bool) or not isinstance(word, (str, int, float)):
        kind = type(word).__name__
        raise DataError(f"Invalid input of type: '{kind}'. Convert to a bytes, string, int or float first.")
    return str(word).encode()
