"""Snapshots: their fingerprints, and the ports in their addresses."""

import os
from pathlib import Path

from local.fingerprint import fingerprint
from local.snapshots import Label, Snapshots, move_ports, read_label, write_label


def test_equal_files_have_equal_fingerprints_in_any_folder(tmp_path: Path) -> None:
    here, there = _shop(tmp_path / "here"), _shop(tmp_path / "there")

    assert fingerprint(here / "shop") == fingerprint(there / "shop")


def test_a_changed_added_or_renamed_file_changes_the_fingerprint(tmp_path: Path) -> None:
    folder = _shop(tmp_path) / "shop"
    seen = {fingerprint(folder)}
    for change in (
        lambda: (folder / "a.py").write_text("other"),
        lambda: (folder / "new.py").write_text(""),
        lambda: (folder / "new.py").rename(folder / "newer.py"),
    ):
        change()
        seen.add(fingerprint(folder))

    assert len(seen) == 4
    assert fingerprint(folder, salt="other") not in seen


def test_bytecode_does_not_change_the_fingerprint(tmp_path: Path) -> None:
    folder = _shop(tmp_path) / "shop"
    before = fingerprint(folder)

    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"bytecode")

    assert fingerprint(folder) == before


def test_two_ports_can_be_swapped(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state.json"
    state.parent.mkdir()
    state.write_text('["http://127.0.0.1:3000/x", "http://localhost:4566/q"]')

    move_ports([tmp_path], {3000: 4566, 4566: 3000})

    assert state.read_text() == '["http://127.0.0.1:4566/x", "http://localhost:3000/q"]'


def test_only_whole_ports_in_addresses_of_this_machine_are_replaced(tmp_path: Path) -> None:
    state, picture = tmp_path / "state.json", tmp_path / "picture.png"
    kept = '["http://shop.example:3000/", "127.0.0.1:30001", "a price of 3000", ":3000"]'
    state.write_text(kept)
    picture.write_bytes(b"127.0.0.1:3000")

    move_ports([tmp_path], {3000: 4000})

    assert state.read_text() == kept
    assert picture.read_bytes() == b"127.0.0.1:3000"


def test_a_snapshot_is_restored_into_a_cleared_home_by_its_fingerprint(tmp_path: Path) -> None:
    home, snapshots = tmp_path / "home", Snapshots(tmp_path / "snapshots")
    label, data = home / "made-of.json", home / "state" / "data.json"
    data.parent.mkdir(parents=True)
    data.write_text("saved")
    write_label(label, Label("abc", 3000, 4566))
    snapshots.save("abc", [data.parent], label)
    data.write_text("changed")
    (home / "other.log").write_text("of the last run")

    snapshots.restore(home, "abc")

    assert data.read_text() == "saved"
    assert read_label(label) == Label("abc", 3000, 4566)
    assert not (home / "other.log").exists()
    snapshots.restore(home, "unknown")
    assert read_label(label) is None


def test_only_the_latest_snapshots_are_kept(tmp_path: Path) -> None:
    label = tmp_path / "made-of.json"
    write_label(label, Label("any", 1, 2))
    snapshots = Snapshots(tmp_path / "snapshots")
    for number in range(6):
        snapshots.save(str(number), [], label)
        os.utime(tmp_path / "snapshots" / str(number), (number, number))

    kept = {path.name for path in (tmp_path / "snapshots").iterdir() if path.is_dir()}
    assert kept == {"2", "3", "4", "5"}


def _shop(folder: Path) -> Path:
    for name, text in {"a.py": "one", "b/c.py": "two"}.items():
        file = folder / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
