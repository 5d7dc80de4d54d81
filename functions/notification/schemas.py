"""What people get to see of their inbox, and what SES tells of mails that did not arrive."""

from email.utils import parseaddr
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from notification.model import Message
from supermarket.schemas import Timestamp, View


class NotificationView(View):
    """One message."""

    id: str
    kind: str
    subject: str
    text: str
    sent_at: Timestamp
    read: bool

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            id=message.id,
            kind=message.kind,
            subject=message.subject,
            text=message.text,
            sent_at=message.sent_at,
            read=message.read,
        )


class NotificationAnswer(View):
    """One message, as an answer."""

    notification: NotificationView


class NotificationList(View):
    """A page of messages; `unread` counts those of all pages, up to a hundred."""

    notifications: list[NotificationView]
    unread: int
    next_cursor: str | None


class ReadAll(View):
    """False when there may be more than one call could mark."""

    all_read: bool


class SesRecord(BaseModel):
    """A part of what SES sends; it may grow fields at any time."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True
    )


class Addressee(SesRecord):
    """Whose mail it was about; the address may come with a name before it."""

    email_address: Annotated[str, AfterValidator(lambda address: parseaddr(address)[1] or address)]


class Bounce(SesRecord):
    """A mail came back."""

    bounce_type: Literal["Permanent", "Transient", "Undetermined"]
    bounce_sub_type: str = ""
    bounced_recipients: list[Addressee]


class Complaint(SesRecord):
    """Somebody called a mail unwanted; `not-spam` takes that back."""

    complained_recipients: list[Addressee]
    complaint_feedback_type: str | None = None


class SentMail(SesRecord):
    """The mail that it is about."""

    message_id: str


class SesEvent(SesRecord):
    """What SES's event publishing tells of one mail."""

    mail: SentMail
    bounce: Bounce | None = None
    complaint: Complaint | None = None
