"""wechatpy whose calls are all passed on: with_wechatpy.py FORWARD ISSUER STOP

`API_BASE_URL` does not move the call for the token, so it takes a class of five lines. wechatpy asks for the
next token when 60 s are left of one. It asks the issuer nothing.
"""

import sys

import calls
from wechatpy import WeChatClient

forward, _, stop = sys.argv[1:]


class ClientWhoseCallsArePassedOn(WeChatClient):
    API_BASE_URL = f"{forward}/cgi-bin/"

    def fetch_access_token(self):
        params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{self.API_BASE_URL}token", params=params)


client = ClientWhoseCallsArePassedOn(
    "wx0123456789abcdef", "key-of-web-0123456789", auto_retry=False
)


def call():
    if "ip_list" not in client.get("get_api_domain_ip"):
        sys.exit("the call was not answered")


calls.until(stop, lambda: client.access_token, call)
