"""wechatpy at WeChat's token endpoint of the door: wechatpy_at_the_door.py DOOR ISSUER STOP

The address of the token endpoint cannot be set, so it takes a class of five lines. It calls WeChat until
the file STOP is there, and says each token that is new to it by a number. wechatpy asks for the next token
when 60 s are left of one.
"""

import os
import sys
import time

from wechatpy import WeChatClient

door, issuer, stop = sys.argv[1:]


class ClientAtTheDoor(WeChatClient):
    def fetch_access_token(self):
        params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{door}/cgi-bin/token", params=params)


ClientAtTheDoor.API_BASE_URL = f"{issuer}/cgi-bin/"  # The simulated WeChat.
client = ClientAtTheDoor("wx0123456789abcdef", "key-of-web-0123456789", auto_retry=False)
seen = set()
while not os.path.exists(stop):
    token = client.access_token
    if "ip_list" not in client.get("get_api_domain_ip"):
        sys.exit("the call was not answered")
    if token not in seen:
        seen.add(token)
        print("token", len(seen), flush=True)
    time.sleep(0.05)
