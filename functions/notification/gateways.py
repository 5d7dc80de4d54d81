"""SES, which takes the mails, and the memory of which were sent."""

from collections.abc import Callable
from email.utils import formataddr
from typing import Any, cast

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from notification.model import Mail
from supermarket import telemetry

SENDER_NAME = "Super-Market"
UTF_8 = "UTF-8"

# longer than an event can wait in the queue and then in the dead-letter queue: 14 days each
REMEMBERED_FOR_SECONDS = 30 * 24 * 60 * 60
# Somebody who began to send a mail longer ago than this died over it: it is longer than the
# Lambda's timeout and shorter than the time until the queue tries again.
AN_ATTEMPT_TAKES_MILLISECONDS = 20_000


class SesPost:
    """`Post` through SES v2."""

    def __init__(self, client: Any, sender: str) -> None:
        self._client = client
        self._from = formataddr((SENDER_NAME, sender))

    def send(self, mail: Mail) -> None:
        answer = self._client.send_email(
            FromEmailAddress=self._from,
            Destination={"ToAddresses": [mail.to]},
            Content={
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": UTF_8},
                    "Body": {
                        "Html": {"Data": mail.letter.html, "Charset": UTF_8},
                        "Text": {"Data": mail.letter.text, "Charset": UTF_8},
                    },
                    "Headers": _headers(mail),
                }
            },
        )
        telemetry.logger.info("mail sent", extra={"ses_message_id": answer["MessageId"]})


class PowertoolsOnce:
    """`Once` by Powertools' idempotency in DynamoDB."""

    def __init__(self, store: DynamoDBPersistenceLayer) -> None:
        self._store = store
        self._config = IdempotencyConfig(
            expires_after_seconds=REMEMBERED_FOR_SECONDS,
            hash_function="sha256",
            lambda_context=cast("Any", _Attempt()),
        )

    def do(self, what: str, event_id: str, action: Callable[[], None]) -> None:
        def act(*, event_id: str) -> None:  # noqa: ARG001 - it is the key
            action()

        once = idempotent_function(
            act,
            data_keyword_argument="event_id",
            persistence_store=self._store,
            config=self._config,
            # a part of the key: without it two mails about one event would be one
            key_prefix=f"notification.{what}",
        )
        once(event_id=event_id)


class _Attempt:
    """Tells Powertools how long an attempt may take. A reaction does not see Lambda's own context,
    and without a limit an attempt that died would block the mail for as long as it is remembered.
    """

    def get_remaining_time_in_millis(self) -> int:
        return AN_ATTEMPT_TAKES_MILLISECONDS


def _headers(mail: Mail) -> list[dict[str, str]]:
    # no answer to a machine: holiday notices stay at home
    headers = [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    if mail.correlation_id:
        headers.append({"Name": "X-Correlation-ID", "Value": mail.correlation_id})
    return headers
