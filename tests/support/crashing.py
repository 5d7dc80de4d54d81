"""Runs one Lambda invocation in a process of its own, which is killed at a chosen DynamoDB call.

usage: crashing.py HANDLER CALL before|after < event.json

Exits with 9 when it was killed, with 0 (and the answer on stdout) when there was no such call.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

KILLED = 9
ROOT = Path(__file__).parents[2]
IMPORT_PATH = f"{ROOT / 'functions'}:{ROOT / 'layers' / 'shared'}"


def answer_unless_killed(
    environment: dict[str, str], handler: str, event: dict[str, Any], call: int, moment: str
) -> dict[str, Any] | None:
    """Return the result of the invocation, or None if it was killed at the call."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", __file__, handler, str(call), moment],
        input=json.dumps(event),
        env={**environment, "PATH": os.environ["PATH"], "PYTHONPATH": IMPORT_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == KILLED:
        return None
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


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
