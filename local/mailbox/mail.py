"""Parses the mails in the emulator's SES for the mailbox."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import Any


@dataclass(frozen=True)
class Mail:
    id: str
    sender: str
    recipients: list[str]
    subject: str
    html: str
    text: str
    sent: float
    copies: list[str] = field(default_factory=list)

    def is_to(self, address: str) -> bool:
        return address.strip().lower() in map(str.lower, self.recipients + self.copies)

    def to_json(self) -> dict[str, Any]:
        sent_at = datetime.fromtimestamp(self.sent, UTC).isoformat(timespec="milliseconds")
        return {
            "id": self.id,
            "from": self.sender,
            "to": ", ".join(self.recipients),
            "subject": self.subject,
            "html": self.html,
            "text": self.text,
            "sentAt": sent_at.replace("+00:00", "Z"),
        }


def parse_mails(answer: dict[str, Any]) -> list[Mail]:
    """Parse the mails of all accounts, newest first; of equal times, the last sent first."""
    sent = [_parse(record) for mails in answer["messages"].values() for record in mails]
    return sorted(sent, key=lambda mail: mail.sent)[::-1]


def _parse(record: dict[str, Any]) -> Mail:
    return Mail(
        id=record["MessageId"],
        sender=record["Source"],
        recipients=_addresses(record["To"]),
        copies=_addresses(record["CC"] + record["BCC"]),
        subject=record["Subject"] or "",
        html=record["BodyHtml"] or "",
        text=record["BodyText"] or "",
        sent=record["Timestamp"],
    )


def _addresses(written: list[str]) -> list[str]:
    """Return the addresses without display names."""
    return [address for _, address in getaddresses(written) if address]
