"""Signs a page for WeChat's JS-SDK with the ticket that evertoken keeps: the answer is for wx.config.

python3 ticket.py REDIS_URL APPID PAGE_URL, where the workers have

    [credentials.shop-jsapi]
    provider = "wechat-ticket"
    parent = "shop"
    ticket = "jsapi"
"""

import hashlib
import json
import secrets
import sys
import time

import redis

store, appid, page = redis.Redis.from_url(sys.argv[1]), sys.argv[2], sys.argv[3]


def signature(ticket, nonce, timestamp, page):
    url = page.split("#")[0]
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    return hashlib.sha1(text.encode()).hexdigest()


ticket = store.get("evertoken:{shop-jsapi}:token")
if ticket is None:
    raise LookupError("no ticket of shop-jsapi is valid: `evertoken status` tells why")
nonce, timestamp = secrets.token_hex(8), int(time.time())
signed = signature(ticket.decode(), nonce, timestamp, page)
print(json.dumps({"appId": appid, "timestamp": timestamp, "nonceStr": nonce, "signature": signed}))
