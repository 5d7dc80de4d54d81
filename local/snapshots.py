"""Copies of a filled local cloud, from which the next start takes a few seconds."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local.locks import locked

MAX_SNAPSHOTS = 3


@dataclass(frozen=True)
class Label:
    """What a state was made of, and the ports that its addresses name."""

    made_of: str
    port: int
    emulator_port: int


class Snapshots:
    """The snapshots of a checkout, each named by the fingerprint of what it was made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def restore(self, home: Path, made_of: str) -> None:
        """Clear the home folder and copy the snapshot into it, if there is one."""
        for leftover in home.glob("*"):
            if leftover.name != "lock":
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        with locked(self._folder / "lock"):
            snapshot = self._folder / made_of
            if snapshot.exists():
                snapshot.touch()
                shutil.copytree(snapshot, home, dirs_exist_ok=True)

    def save(self, made_of: str, folders: Iterable[Path], label: Path) -> None:
        """Copy the folders and the label, unless there is a snapshot of the same already."""
        with locked(self._folder / "lock"):
            snapshot = self._folder / made_of
            if snapshot.exists():
                return
            existing = [path for path in self._folder.iterdir() if path.is_dir()]
            by_age = sorted(existing, key=lambda path: path.stat().st_mtime)
            for old in by_age[:-MAX_SNAPSHOTS]:
                shutil.rmtree(old)
            partial = snapshot.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for folder in folders:
                shutil.copytree(folder, partial / folder.name)
            shutil.copy2(label, partial)
            partial.rename(snapshot)


def read_label(file: Path) -> Label | None:
    """Read the label of a state, or return None if there is no complete state."""
    return Label(**json.loads(file.read_text())) if file.exists() else None


def write_label(file: Path, label: Label) -> None:
    file.write_text(json.dumps(asdict(label)))


def move_ports(folders: Iterable[Path], ports: Mapping[int, int]) -> None:
    """Replace the ports in this machine's addresses in all JSON files of the folders."""
    moved = {str(old).encode(): str(new).encode() for old, new in ports.items() if old != new}
    if not moved:
        return
    address = re.compile(rb"(localhost|127\.0\.0\.1):(" + b"|".join(moved) + rb")(?!\d)")
    for folder in folders:
        for file in folder.rglob("*.json"):
            before = file.read_bytes()
            after = address.sub(lambda old: old[1] + b":" + moved[old[2]], before)
            if after != before:
                file.write_bytes(after)
