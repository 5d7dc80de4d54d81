"""SES, which takes the mails, and auth, which mints the links that some of them hold."""

from collections.abc import Callable
from email.utils import formataddr
from typing import Any, Protocol
from urllib.parse import quote

from botocore.exceptions import ClientError

from notification.model import Mail
from notification.ports import Refused
from supermarket import telemetry
from supermarket.errors import RetryLater

SENDER_NAME = "Super-Market"
UTF_8 = "UTF-8"

# SES's names for what will not get better by asking again; all else may
FOR_GOOD = {"MessageRejected", "BadRequestException", "MailFromDomainNotVerifiedException"}

# What gets better by waiting alone: too many mails a second or a day, or a pause that somebody ends
FOR_A_WHILE = {
    *("TooManyRequestsException", "ThrottlingException", "Throttling"),
    *("LimitExceededException", "SendingPausedException"),
}


class SesPost:
    """`Post` through SES v2. The configuration set is what bounces and complaints come back by."""

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
            if meaning := _meaning(failure):
                raise meaning from failure
            raise
        telemetry.logger.info("mail sent", extra={"ses_message_id": answer["MessageId"]})


class SesSuppressions:
    """SES's own list, of the whole account, which mails that come back add to as well."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def remove(self, address: str) -> bool:
        """Whether it was there."""
        try:
            self._client.delete_suppressed_destination(EmailAddress=address)
        except self._client.exceptions.NotFoundException:
            return False
        return True


class TokenLinks(Protocol):
    """What auth has to offer: tokens that are good for one use and a short time."""

    def email_verification(self, user_id: str) -> str | None: ...

    def password_reset(self, user_id: str) -> str | None: ...


class StorefrontLinks:
    """`Links` to the storefront's pages, with tokens of auth's. The minter comes as a function, so
    that only a mail with a link pays for it.
    """

    def __init__(self, minter: Callable[[], TokenLinks], storefront_url: str) -> None:
        self._minter = minter
        self._storefront = storefront_url.rstrip("/")

    def email_verification(self, user_id: str) -> str | None:
        return self._link("verify-email", self._minter().email_verification(user_id))

    def password_reset(self, user_id: str) -> str | None:
        return self._link("reset-password", self._minter().password_reset(user_id))

    def _link(self, page: str, token: str | None) -> str | None:
        return f"{self._storefront}/{page}?token={quote(token, safe='')}" if token else None


def _meaning(failure: ClientError) -> RetryLater | Refused | None:
    """What SES's refusal means for the mail; None when it may be taken at the next try."""
    code = failure.response["Error"]["Code"]
    if code in FOR_A_WHILE:
        telemetry.count("MailsHeldBack", reason=code)
        return RetryLater(f"SES takes no more for now: {failure.response['Error']['Message']}")
    if code in FOR_GOOD:
        telemetry.count("MailsRefused", reason=code)
        return Refused(f"SES refuses this mail for good: {code}")
    return None


def _content(mail: Mail) -> dict[str, Any]:
    return {
        "Subject": {"Data": mail.subject, "Charset": UTF_8},
        "Body": {
            "Html": {"Data": mail.letter.html, "Charset": UTF_8},
            "Text": {"Data": mail.letter.text, "Charset": UTF_8},
        },
        "Headers": _headers(mail),
    }


def _headers(mail: Mail) -> list[dict[str, str]]:
    # no answer to a machine: holiday notices stay at home
    headers = [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    if mail.correlation_id:
        headers.append({"Name": "X-Correlation-ID", "Value": mail.correlation_id})
    return headers
