"""Tells whether something changed: one hash of the content of files and folders."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

IGNORED = {"__pycache__", ".DS_Store"}


def fingerprint(*paths: Path, salt: str = "") -> str:
    """Equal when all files under the paths have equal names and contents, and the salt is equal."""
    digest = hashlib.sha256(salt.encode())
    for path in paths:
        for file in files(path):
            digest.update(f"\0{file.relative_to(path.parent)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def files(path: Path) -> Iterator[Path]:
    """A file itself, or all files under a folder, in a fixed order, without what Python caches."""
    if path.is_file():
        yield path
    else:
        for file in sorted(path.rglob("*")):
            if file.is_file() and not IGNORED & set(file.parts):
                yield file
