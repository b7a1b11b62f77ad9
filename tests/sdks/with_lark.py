"""lark-oapi, unmodified, with a cache that reads Redis: with_lark.py PORT ISSUER STOP

It calls Feishu until the file STOP is there, and says each token that is new to it by a number.
"""

import os
import sys
import time

import lark_oapi as lark
import redis
from lark_oapi.core.cache import ICache
from lark_oapi.core.token.manager import TokenManager

port, issuer, stop = sys.argv[1:]


class Copies(ICache):
    def __init__(self, client):
        self.client = client

    def get(self, key):
        return self.client.get(key)

    def set(self, key, value, expire):
        raise SystemExit("it has fetched a token for itself")


TokenManager.cache = Copies(redis.Redis(port=int(port), decode_responses=True))
client = lark.Client.builder().app_id("cli1").app_secret("no secret").build()
client._config.domain = issuer  # Its setting takes http:// for this machine alone.
request = (
    lark.BaseRequest.builder()
    .http_method(lark.HttpMethod.POST)
    .uri("/open-apis/jssdk/ticket/get")
    .token_types({lark.AccessTokenType.TENANT})
    .build()
)
seen = set()
while not os.path.exists(stop):
    token = TokenManager.cache.get("self_tenant_token:cli1")
    answer = client.request(request)
    if answer.code != 0:
        sys.exit(f"the call was refused with {answer.code}")
    if token not in seen:
        seen.add(token)
        print("token", len(seen), flush=True)
    time.sleep(0.02)
