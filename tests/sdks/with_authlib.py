"""Authlib, unmodified, at the OAuth door: with_authlib.py DOOR ISSUER STOP

It calls WeChat until the file STOP is there, and says each token that is new to it by a number. Authlib
asks for the next token when 60 s are left of one (its leeway).
"""

import os
import sys
import time

from authlib.integrations.requests_client import OAuth2Session

door, issuer, stop = sys.argv[1:]
session = OAuth2Session(
    "web",
    "key-of-web-0123456789",
    scope="shop",
    token_endpoint=f"{door}/oauth2/token",
    grant_type="client_credentials",
    token_placement="uri",  # As access_token=, which is where WeChat wants it.
)
session.fetch_token()
seen = set()
while not os.path.exists(stop):
    answer = session.get(f"{issuer}/cgi-bin/get_api_domain_ip").json()
    if "ip_list" not in answer:
        sys.exit(f"the call was refused with {answer['errcode']}")
    token = session.token["access_token"]
    if token not in seen:
        seen.add(token)
        print("token", len(seen), flush=True)
    time.sleep(0.05)
