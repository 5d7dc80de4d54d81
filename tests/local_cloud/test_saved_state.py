"""A state that was kept: it is taken for what it was made of, and moved to the ports of today."""

from pathlib import Path

from local.fingerprint import fingerprint
from local.ports import move_ports


def test_equal_files_have_equal_fingerprints_wherever_they_are(tmp_path: Path) -> None:
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


def test_what_python_caches_does_not_count(tmp_path: Path) -> None:
    folder = _shop(tmp_path) / "shop"
    before = fingerprint(folder)

    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"bytecode")

    assert fingerprint(folder) == before


def test_ports_can_even_change_places(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state.json"
    state.parent.mkdir()
    state.write_text('["http://127.0.0.1:3000/x", "http://localhost:4566/q"]')

    move_ports([tmp_path], {3000: 4566, 4566: 3000})

    assert state.read_text() == '["http://127.0.0.1:4566/x", "http://localhost:3000/q"]'


def test_only_addresses_of_this_machine_are_moved_and_only_whole_ports(tmp_path: Path) -> None:
    state, picture = tmp_path / "state.json", tmp_path / "picture.png"
    kept = '["http://shop.example:3000/", "127.0.0.1:30001", "a price of 3000", ":3000"]'
    state.write_text(kept)
    picture.write_bytes(b"127.0.0.1:3000")

    move_ports([tmp_path], {3000: 4000})

    assert state.read_text() == kept
    assert picture.read_bytes() == b"127.0.0.1:3000"


def _shop(folder: Path) -> Path:
    for name, text in {"a.py": "one", "b/c.py": "two"}.items():
        file = folder / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
