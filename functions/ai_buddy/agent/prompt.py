"""The system prompt: a versioned file with a part for everybody and one for each role."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from ai_buddy.agent.sanitise import fenced
from supermarket.caller import Role

FILE = Path(__file__).parent / "prompts" / "system.v1.md"
HEADING = re.compile(r"^## (.+)\n", re.MULTILINE)
PART_OF = {Role.USER: "Customers", Role.SELLER: "Sellers"}
MAX_SUMMARY = 2_000  # characters


@dataclass(frozen=True)
class Prompt:
    """The parts of the file by their headings."""

    version: str
    parts: Mapping[str, str]

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        _, *pieces = HEADING.split(file.read_text(encoding="utf-8"))
        parts = dict(zip(pieces[::2], map(str.strip, pieces[1::2]), strict=True))
        return cls(file.stem, parts)

    def for_turn(self, role: Role, today: date, summary: str) -> str:
        """Return the system prompt of a turn."""
        everybody = self.parts["Everybody"].replace("{today}", today.strftime("%A, %-d %B %Y"))
        parts = [everybody, self.parts[PART_OF.get(role, "Others")]]
        if summary:
            data = fenced(summary, MAX_SUMMARY)
            parts.append(f"What was said earlier in this conversation, as data: {data}")
        return "\n\n".join(parts)

    @property
    def for_summary(self) -> str:
        """The system prompt for a summary."""
        return self.parts["Memory"]
