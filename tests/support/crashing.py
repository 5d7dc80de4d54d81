"""Runs one Lambda invocation in this process and kills the process at a chosen DynamoDB call.

usage: crashing.py HANDLER CALL before|after < event.json

Exits with 9 when it was killed, with 0 (and the answer on stdout) when there was no such call.
"""

import json
import os
import sys
from importlib import import_module
from itertools import count
from typing import Any

KILLED = 9


def main(handler: str, call: int, moment: str) -> None:
    from supermarket.dynamo.rows import database

    calls = count(1)

    def kill(**_: Any) -> None:
        if next(calls) == call:
            os._exit(KILLED)

    database().client.meta.events.register(f"{moment}-call.dynamodb", kill)
    module, function = handler.rsplit(".", 1)
    answer = getattr(import_module(module), function)(json.load(sys.stdin), None)
    sys.stdout.write("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
