"""Every schema that was ever committed: what was published, whatever the checkout says by now."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEVER_PUBLISHED = {
    "1b265c4ca24974ac027fcded93502a916168d605",  # PaymentDriftFound with `subject`, for a minute
}
"""Files, by their ids in git, that were committed by mistake and mended before any deployment."""


class NoHistory(LookupError):
    """There is nothing to remember by; the message says why."""


def committed(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every schema in `folder` at any time up to now. NoHistory where that
    cannot be told, as in an archive of the source.
    """
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise NoHistory("only a part of the history is here: git fetch --unshallow")
    # every commit on its own, merges among them: a line per file that it changed
    log = ("log", "--full-history", "-m", "--raw", "--no-renames", "--no-abbrev", "--format=")
    changes = _git(folder, *log, "--relative", "--", "*.schema.json").splitlines()
    files = {(name, blob) for line in changes for blob, name in [_written(line)]}
    if not files:
        raise NoHistory("no schema was ever committed here")
    published = sorted(
        (name, blob) for name, blob in files if blob.strip("0") and blob not in NEVER_PUBLISHED
    )
    texts = _contents(folder, [blob for _, blob in published])
    for (name, _), text in zip(published, texts, strict=True):
        yield name, json.loads(text)


def _written(line: str) -> tuple[str, str]:
    """What a commit made of a file, nothing but zeros if it removed it; and the file's name."""
    modes_and_ids, name = line.split("\t")
    return modes_and_ids.split(" ")[3], name


def _contents(folder: Path, blobs: list[str]) -> list[str]:
    """Of files by their ids in git: one process of git reads them all."""
    asked_for = "".join(f"{blob}\n" for blob in blobs)
    # each comes after a form feed, which no JSON holds
    return _git(folder, "cat-file", "--batch=\f", stdin=asked_for).split("\f")[1:]


def _git(folder: Path, *arguments: str, stdin: str = "") -> str:
    command = ["git", "-C", str(folder), *arguments]
    # a hook is told of the repository that it belongs to, and would look for the folder there
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
