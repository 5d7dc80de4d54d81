"""SES, which sends the mails; auth, which creates the links in some of them; orders and queues."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import formataddr
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from notification.mails import EMAIL_CHANGE, EMAIL_UNDO, EMAIL_VERIFICATION, PASSWORD_RESET
from notification.model import Mail, MailClass, WaitingMail
from notification.ports import MailRejected
from supermarket import telemetry
from supermarket.config import mail_queue_name
from supermarket.errors import Conflict, NotFound, RetryLater

if TYPE_CHECKING:
    from order.service import OrderService

SENDER_NAME = "Super-Market"
UTF_8 = "UTF-8"
SENDERS = 8
PAGES = {
    EMAIL_VERIFICATION: "verify-email",
    PASSWORD_RESET: "reset-password",
    EMAIL_CHANGE: "confirm-email",
    EMAIL_UNDO: "restore-email",
}

type CreateToken = Callable[[str, str, str], str | None]

# SES's errors for mails that it will never send; others may be temporary
PERMANENT_ERRORS = {"MessageRejected", "BadRequestException", "MailFromDomainNotVerifiedException"}

# errors that pass: too many mails a second or a day, or sending is paused
TEMPORARY_ERRORS = {
    *("TooManyRequestsException", "ThrottlingException", "Throttling"),
    *("LimitExceededException", "SendingPausedException"),
}


class SesMailSender:
    """`MailSender` by SES v2. The configuration set reports bounces and complaints."""

    def __init__(self, client: Any, sender: str, configuration_set: str) -> None:
        self._client = client
        self._from = formataddr((SENDER_NAME, sender))
        self._configuration_set = configuration_set

    def send(self, mail: Mail) -> None:
        try:
            answer = self._client.send_email(
                FromEmailAddress=self._from,
                Destination={"ToAddresses": [mail.to]},
                ConfigurationSetName=self._configuration_set,
                Content={"Simple": _content(mail)},
            )
        except ClientError as failure:
            if error := _mapped(failure):
                raise error from failure
            raise
        telemetry.logger.info("mail sent", extra={"ses_message_id": answer["MessageId"]})


class SesSuppressions:
    """SES's suppression list of the whole account, to which bounces are added, too."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def remove(self, address: str) -> bool:
        """Remove an address; returns whether it was on the list."""
        try:
            self._client.delete_suppressed_destination(EmailAddress=address)
        except self._client.exceptions.NotFoundException:
            return False
        return True


class SqsMailQueues:
    """`MailQueues` in SQS."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._find_url = cache(self._get_url)

    def send(self, mails: Sequence[WaitingMail]) -> list[WaitingMail]:
        with ThreadPoolExecutor(SENDERS) as pool:
            return [mail for mail in pool.map(self._try_send, mails) if mail]

    def _try_send(self, mail: WaitingMail) -> WaitingMail | None:
        try:
            url = self._find_url(mail.mail_class)
            self._client.send_message(QueueUrl=url, MessageBody=mail.body)
        except (BotoCoreError, ClientError):
            telemetry.logger.exception("event not sent", extra={"event_id": mail.event_id})
            return None
        return mail

    def _get_url(self, mail_class: MailClass) -> str:
        found = self._client.get_queue_url(QueueName=mail_queue_name(mail_class))
        return str(found["QueueUrl"])


class ShopOrders:
    """`Orders` of the domain order, which is loaded for a mail that asks for a payment."""

    def __init__(self, service: "Callable[[], OrderService]") -> None:
        self._service = service

    def can_be_paid(self, order_id: str, customer_id: str) -> bool:
        try:
            self._service().get_payable_order(order_id, customer_id)
        except (Conflict, NotFound):
            return False
        return True


class StorefrontLinks:
    """`Links` to the storefront's pages with auth's tokens, which expire soon."""

    def __init__(self, create_token: CreateToken, storefront_url: str) -> None:
        self._create_token = create_token
        self._storefront = storefront_url.rstrip("/")

    def create(self, purpose: str, user_id: str, email: str) -> str | None:
        page, token = PAGES[purpose], self._create_token(purpose, user_id, email)
        return f"{self._storefront}/{page}?token={quote(token, safe='')}" if token else None


def _mapped(failure: ClientError) -> RetryLater | MailRejected | None:
    """Return the error that a refusal means; None when the next attempt may succeed."""
    code = failure.response["Error"]["Code"]
    if code in TEMPORARY_ERRORS:
        telemetry.count("MailsDelayed", reason=code)
        return RetryLater(f"SES limits sending: {failure.response['Error']['Message']}")
    if code in PERMANENT_ERRORS:
        telemetry.count("MailsRejected", reason=code)
        return MailRejected(f"SES rejects this mail: {code}")
    return None


def _content(mail: Mail) -> dict[str, Any]:
    # no automatic replies
    headers = [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    if mail.correlation_id:
        headers.append({"Name": "X-Correlation-ID", "Value": mail.correlation_id})
    return {
        "Subject": {"Data": mail.subject, "Charset": UTF_8},
        "Body": {
            "Html": {"Data": mail.body.html, "Charset": UTF_8},
            "Text": {"Data": mail.body.text, "Charset": UTF_8},
        },
        "Headers": headers,
    }
