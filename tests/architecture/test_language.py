"""Words of a private dialect are not used in the project's code and documents."""

import re

from support.domains import ROOT
from support.sources import files

# verbs and pronouns that stand for the field's terms: notify, report, receive, any client, again
WORDS = re.compile(
    r"\b(told|untold|whoever|whomever|somebody|nobody|anybody|anew|heard|unheard|owes"
    r"|how-manieth|learnt|beckons)\b",
    re.IGNORECASE,
)
# names that a reader would have to learn: the vocabulary has the field's terms for them
NAMES = re.compile(
    r"\b(Switchboard|HangUp|Farewell|Handshake|NotYet|Moved|Overtaken|Outdated|OtherRun"
    r"|Aisle|Reach|LetterBox|Walk|Mending|Surplus|Bookkeeping|RollUp|Registrar|LinkMinter"
    r"|past_transactions|look_at|page_of|drive_now_or_later|why_not_add)\b"
)
SUFFIXES = {".py", ".md", ".yaml", ".j2", ".toml", ".html", ".js"}
# texts in which people speak, and rules that recognise what they say
QUOTING = {
    "functions/ai_buddy/agent/prompts/system.v1.md",
    "local/evaluation/conversations.toml",
    "simulators/gemini/rules.toml",
    "simulators/gemini/words.toml",
    "simulators/gemini/sentences.toml",
    "tests/architecture/test_language.py",
}
ADDRESSES = re.compile(r"[\w.+-]+@[\w.-]+")


def found(pattern: re.Pattern[str]) -> list[str]:
    """Return the places of a pattern as `path:line: word`."""
    places = []
    for path in sorted(files()):
        name = str(path.relative_to(ROOT))
        if path.suffix not in SUFFIXES or name in QUOTING:
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            text = ADDRESSES.sub("", line)
            places += [f"{name}:{number}: {match[0]}" for match in pattern.finditer(text)]
    return places


def test_sentences_use_plain_words() -> None:
    assert found(WORDS) == []


def test_names_are_the_fields_terms() -> None:
    assert found(NAMES) == []
