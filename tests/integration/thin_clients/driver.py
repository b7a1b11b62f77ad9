"""What the tests ask of the client in Python: a line of JSON each, answered by one."""

import json
import sys
import threading
import urllib.request

import evertoken

client = evertoken.Client(sys.argv[1])


def token(ask):
    current = client.token(ask["id"])
    return {"token": current, "remaining": current.remaining, "shown": repr(current)}


def many(ask):
    got = []
    readers = [threading.Thread(target=lambda: got.append(client.token("shop"))) for _ in range(ask["count"])]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return {"got": len(got)}


def call(ask):
    used = []

    def request(current):
        used.append(current)
        return "good" if current == ask["good"] else "dead"

    answer = client.call("shop", request, lambda answer: answer == "dead")
    return {"answer": answer, "used": used}


def wechat(ask):
    def request(current):
        url = f"{ask['url']}/cgi-bin/get_api_domain_ip?access_token={current}"
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)

    return {"answer": client.call("shop", request, evertoken.is_dead)}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = globals()[asked["do"]](asked)
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), flush=True)
client.close()
