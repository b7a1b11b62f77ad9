"""The ticket that wechatpy finds in its RedisStorage: wechatpy_ticket.py PORT"""

import sys

import redis
from wechatpy import WeChatClient
from wechatpy.session.redisstorage import RedisStorage

storage = RedisStorage(redis.Redis(port=int(sys.argv[1])), prefix="wechatpy")
client = WeChatClient("wx0123456789abcdef", "no secret", session=storage, auto_retry=False)
print(client.jsapi.get_jsapi_ticket())
