"""SES, which sends the mails, and auth, which creates the links in some of them."""

from collections.abc import Callable
from email.utils import formataddr
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from notification.mails import EMAIL_VERIFICATION, PASSWORD_RESET
from notification.model import Mail
from notification.ports import MailRejected
from supermarket import telemetry
from supermarket.errors import RetryLater

SENDER_NAME = "Super-Market"
UTF_8 = "UTF-8"
PAGES = {EMAIL_VERIFICATION: "verify-email", PASSWORD_RESET: "reset-password"}

type CreateToken = Callable[[str, str], str | None]

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


class StorefrontLinks:
    """`Links` to the storefront's pages with auth's tokens, which expire soon."""

    def __init__(self, create_token: CreateToken, storefront_url: str) -> None:
        self._create_token = create_token
        self._storefront = storefront_url.rstrip("/")

    def create(self, purpose: str, user_id: str) -> str | None:
        page, token = PAGES[purpose], self._create_token(purpose, user_id)
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
