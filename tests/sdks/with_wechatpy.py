"""wechatpy, unmodified, with its RedisStorage: with_wechatpy.py PORT ISSUER STOP

It calls WeChat until the file STOP is there, and says each token that is new to it by a number. What
wechatpy would send to WeChat goes to the simulated issuer, a fetch of its own among it.
"""

import os
import sys
import time

import redis
import requests
from wechatpy import WeChatClient
from wechatpy.session.redisstorage import RedisStorage

port, issuer, stop = sys.argv[1:]


class ToTheSimulator(requests.adapters.HTTPAdapter):
    def send(self, request, **settings):
        request.url = request.url.replace("https://api.weixin.qq.com", issuer)
        return super().send(request, **settings)


storage = RedisStorage(redis.Redis(port=int(port)), prefix="wechatpy")
client = WeChatClient("wx0123456789abcdef", "no secret", session=storage, auto_retry=False)
client._http.mount("https://", ToTheSimulator())
seen = set()
while not os.path.exists(stop):
    token = client.access_token
    if "ip_list" not in client.get("get_api_domain_ip"):
        sys.exit("the call was not answered")
    if token not in seen:
        seen.add(token)
        print("token", len(seen), flush=True)
    time.sleep(0.02)
