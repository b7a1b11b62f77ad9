"""Calls WeChat with the token that evertoken keeps fresh: python3 shop.py REDIS_URL WECHAT_URL

The client is redis-py: pip install redis, or apt-get install python3-redis
"""

import json
import sys
import time
import urllib.request

import redis

store, wechat = redis.Redis.from_url(sys.argv[1]), sys.argv[2]
DEAD = (40001, 40014, 42001)


def current_token():
    token = store.get("evertoken:{shop}:token")
    if token is None:
        raise LookupError("no token of shop is valid: `evertoken status` tells why")
    return token.decode()


def replaced(token):
    """Reports a dead token if it still stands; tells what stands then, or five seconds later."""
    newer = current_token()
    if newer == token:
        store.set("evertoken:{shop}:rejected", token, ex=600)
        store.publish("evertoken:rejected", "shop")
        ends = time.monotonic() + 5
        while newer == token and time.monotonic() < ends:
            time.sleep(0.1)
            newer = current_token()
    return newer


def call(request):
    token = current_token()
    answer = request(token)
    if answer.get("errcode") in DEAD:
        newer = replaced(token)
        if newer != token:
            answer = request(newer)
    return answer


def domain_ips(token):
    with urllib.request.urlopen(f"{wechat}/cgi-bin/get_api_domain_ip?access_token={token}") as answer:
        return json.load(answer)


print(json.dumps(call(domain_ips)))
