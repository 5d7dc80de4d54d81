"""One hash of the content of files and folders, to detect changes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

IGNORED = {"__pycache__", ".DS_Store"}


def fingerprint(*paths: Path, salt: str = "") -> str:
    """Hash the names and contents of all files under the paths, and the salt."""
    digest = hashlib.sha256(salt.encode())
    for path in paths:
        for file in files(path):
            digest.update(f"\0{file.relative_to(path.parent)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def files(path: Path) -> Iterator[Path]:
    """Yield a file itself, or all files of a folder except caches, in a fixed order."""
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not IGNORED & set(file.parts):
            yield file
