"""Moves a saved state to other ports: addresses inside it name those it was made with."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path


def move_ports(folders: Iterable[Path], ports: Mapping[int, int]) -> None:
    """Let every address of this machine in the JSON files under the folders name the new port."""
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
