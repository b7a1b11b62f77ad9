"""What each application does whose calls are passed on: it calls until the file STOP is there.

It says each tenth call, and what it holds as its token, each that is new to it.
"""

import itertools
import os
import time


def until(stop, token, call):
    seen = set()
    for count in itertools.count(1):
        if os.path.exists(stop):
            return
        held = token()
        call()
        if held not in seen:
            print("holds", held, flush=True)
        seen.add(held)
        if count % 10 == 0:
            print("called", count, flush=True)
        time.sleep(0.02)
