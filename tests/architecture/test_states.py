"""The documented states are those of the code; `make documents` writes them."""

import os

from support.states import DOCUMENT, document


def test_the_documented_states_are_those_of_the_code() -> None:
    written = document()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        DOCUMENT.write_text(written)
    assert DOCUMENT.read_text() == written
