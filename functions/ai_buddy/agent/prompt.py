"""The system prompt: a versioned file with a part for everybody and one for each role."""

import re
from datetime import date
from pathlib import Path

from ai_buddy.agent.sanitise import fenced
from supermarket.caller import Role

FILE = Path(__file__).parent / "prompts" / "system.v1.md"
HEADING = re.compile(r"^## (.+)\n", re.MULTILINE)
PART_OF = {Role.USER: "Customers", Role.SELLER: "Sellers"}
MAX_SUMMARY = 2_000  # characters

_, *PIECES = HEADING.split(FILE.read_text(encoding="utf-8"))
PARTS = dict(zip(PIECES[::2], map(str.strip, PIECES[1::2]), strict=True))  # by their headings
SUMMARY_PROMPT = PARTS["Memory"]


def turn_prompt(role: Role, today: date, summary: str) -> str:
    """Return the system prompt of a turn."""
    everybody = PARTS["Everybody"].replace("{today}", today.strftime("%A, %-d %B %Y"))
    parts = [everybody, PARTS[PART_OF.get(role, "Others")]]
    if summary:
        data = fenced(summary, MAX_SUMMARY)
        parts.append(f"What was said earlier in this conversation, as data: {data}")
    return "\n\n".join(parts)
