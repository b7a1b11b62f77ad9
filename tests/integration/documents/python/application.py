"""An application with the README's snippet, which lies in snippet.py beside it: one call.

python3 application.py PORT ISSUER bytes|text [LATER]

It prints WeChat's answer, or the name of the error and what it says. LATER is a token that is
published between the first reading and the issuer's answer, as a worker might.
"""

import json
import sys
import urllib.request

try:
    from redis import Redis
except ImportError:
    from redis_stand_in import Redis

from snippet import call_wechat

port, issuer, values, *later = sys.argv[1:]
redis = Redis(port=int(port), decode_responses=values == "text")


def request(token):
    if later:
        redis.set("evertoken:{shop}:token", later.pop(), ex=600)
    url = f"{issuer}/cgi-bin/get_api_domain_ip?access_token={token}"
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


try:
    print(json.dumps(call_wechat(redis, request)))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
