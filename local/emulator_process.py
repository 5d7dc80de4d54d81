"""Runs the AWS emulator, writes down every call it authorises, and stops when its parent does.

Started by `local.emulator` with the emulator's own Python, so it imports nothing of the project.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_evaluator


def record_authorised_calls(journal: Path) -> None:
    """Append one JSON line per call of a role: who, what, on what, and whether it was allowed."""
    authorise = iam_evaluator.enforce
    lines = journal.open("a", buffering=1)

    def enforce(access_key_id: str, iam_action: str, *args: Any, **kwargs: Any) -> Any:
        denied = authorise(access_key_id, iam_action, *args, **kwargs)
        caller = iam_evaluator.caller_arn()
        if ":assumed-role/" in caller:
            resource = kwargs.get("resource_arn") or (args[2] if len(args) > 2 else "*")
            call = {"role": caller.split("/")[1], "action": iam_action, "resource": resource}
            lines.write(json.dumps({**call, "allowed": denied is None}) + "\n")
        return denied

    iam_evaluator.enforce = enforce


def stop_with_parent() -> None:
    """The parent holds the other end of standard input: it closes however the parent ends."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    journal = sys.argv.pop()
    record_authorised_calls(Path(journal))
    stop_with_parent()
    app.main()
