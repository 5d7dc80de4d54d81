"""Reads every schema that was ever committed from the git history."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEVER_PUBLISHED = {
    "1b265c4ca24974ac027fcded93502a916168d605",  # PaymentDriftFound with `subject`, for a minute
    "66420fa8bc734b9b189392f1a3202e7cc6283e63",  # AccountChanged without second factors, an hour
}
"""Ids in git of files that were committed by mistake and corrected before any deployment."""


class NoHistory(LookupError):
    """The git history is not available; the message says why."""


def committed(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and content of every version of every schema in the folder.

    Raises `NoHistory` without a complete git history, as in an archive of the source.
    """
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise NoHistory("the git history is incomplete: git fetch --unshallow")
    # one line per file that a commit, merges included, has changed
    log = ("log", "--full-history", "-m", "--raw", "--no-renames", "--no-abbrev", "--format=")
    changes = _git(folder, *log, "--relative", "--", "*.schema.json").splitlines()
    if not changes:
        raise NoHistory("no schema was ever committed here")
    published: set[tuple[str, str]] = set()
    for modes_and_ids, name in (line.split("\t") for line in changes):
        blob = modes_and_ids.split(" ")[3]  # the id of the new content, zeros without any
        if blob.strip("0") and blob not in NEVER_PUBLISHED:
            published.add((name, blob))
    ids = "".join(f"{blob}\n" for _, blob in sorted(published))
    # a form feed, which JSON cannot contain, precedes each file
    texts = _git(folder, "cat-file", "--batch=\f", stdin=ids).split("\f")[1:]
    for (name, _), text in zip(sorted(published), texts, strict=True):
        yield name, json.loads(text)


def _git(folder: Path, *arguments: str, stdin: str = "") -> str:
    command = ["git", "-C", str(folder), *arguments]
    # git sets GIT_DIR for a hook, which may belong to another repository
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        outcome = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=True, env=own
        )
    except FileNotFoundError:
        raise NoHistory("git is not installed") from None
    except subprocess.CalledProcessError as failure:
        raise NoHistory(f"git says: {failure.stderr.strip()}") from None
    return outcome.stdout
