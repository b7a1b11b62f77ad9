"""lark-oapi, unmodified, whose calls are all passed on: with_lark.py FORWARD ISSUER STOP

It asks for the next token when 600 s are left of one, and asks the issuer nothing.
"""

import sys

import calls
import lark_oapi as lark
from lark_oapi.core.token.manager import TokenManager

forward, _, stop = sys.argv[1:]
client = (
    lark.Client.builder()
    .app_id("cli1")
    .app_secret("key-of-web-0123456789")
    .domain(forward)
    .build()
)
request = (
    lark.BaseRequest.builder()
    .http_method(lark.HttpMethod.POST)
    .uri("/open-apis/jssdk/ticket/get")
    .token_types({lark.AccessTokenType.TENANT})
    .build()
)


def call():
    answer = client.request(request)
    if answer.code != 0:
        sys.exit(f"the call was refused with {answer.code}")


calls.until(stop, lambda: TokenManager.get_self_tenant_token(client.config), call)
