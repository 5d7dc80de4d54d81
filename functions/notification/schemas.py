"""Views of the inbox, and SES's reports."""

from email.utils import parseaddr
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from supermarket.schemas import Timestamp, View


class NotificationView(View):
    """One message."""

    id: str
    kind: str
    subject: str
    text: str
    sent_at: Timestamp
    read: bool


class NotificationResponse(View):
    """One message."""

    notification: NotificationView


class NotificationListResponse(View):
    """A page of messages; `unread` counts unread messages of all pages, up to 100."""

    notifications: list[NotificationView]
    unread: int
    next_cursor: str | None


class ReadAllResponse(View):
    """Whether all messages are read; one call marks at most 100."""

    all_read: bool


class SesRecord(BaseModel):
    """A part of SES's reports, which may get further fields."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True
    )


class Addressee(SesRecord):
    """A recipient; the address may be preceded by a name."""

    email_address: Annotated[str, AfterValidator(lambda address: parseaddr(address)[1] or address)]


class Bounce(SesRecord):
    """A bounced mail."""

    bounce_type: Literal["Permanent", "Transient", "Undetermined"]
    bounce_sub_type: str = ""
    bounced_recipients: list[Addressee]


class Complaint(SesRecord):
    """A complaint about a mail; `not-spam` withdraws one."""

    complained_recipients: list[Addressee]
    complaint_feedback_type: str | None = None


class SentMail(SesRecord):
    """The reported mail."""

    message_id: str


class SesEvent(SesRecord):
    """A report of SES on one mail."""

    mail: SentMail
    bounce: Bounce | None = None
    complaint: Complaint | None = None
