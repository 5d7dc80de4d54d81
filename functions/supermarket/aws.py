"""AWS clients, all of one botocore session: it reads AWS's endpoints and the credentials once.

botocore without boto3, whose import would lengthen every cold start.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

THROTTLED = {
    *("ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded"),
    *("ThrottlingException", "Throttling", "ThrottledException", "ThrottlingError"),
    *("RequestLimitExceeded", "RequestThrottled", "RequestThrottledException"),
    *("TooManyRequestsException", "LimitExceededException", "SlowDown", "EC2ThrottledException"),
}
TRANSIENT = {
    *THROTTLED,
    *("TransactionConflictException", "TransactionInProgressException", "RequestTimeout"),
    *("RequestTimeoutException", "InternalServerError", "InternalFailure", "ServiceUnavailable"),
}
FIRST_SERVER_ERROR = 500


@cache
def session() -> Any:
    """Return the one session of this Lambda."""
    "localhost".encode("idna")  # loads the codec that the first connection needs
    return botocore.session.get_session()


def client(service: str, config: Config | None = None, **options: Any) -> Any:
    """Make a client; `options` are those of botocore's `create_client`.

    client("sqs", Config(read_timeout=3, retries={"total_max_attempts": 1}))
    """
    return session().create_client(service, config=config, **options)


def error_code(failure: Exception) -> str | None:
    """Return AWS's code of a failed call, also in PynamoDB's exception; None without an answer."""
    cause = _cause(failure)
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None


def is_transient(failure: Exception) -> bool:
    """Return whether the same call may succeed later: no answer, a server's error, or throttling.
    Everything else is a mistake of this platform, such as an invalid or a forbidden call.
    """
    cause = _cause(failure)
    if isinstance(cause, ClientError):
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(cause) in TRANSIENT or status >= FIRST_SERVER_ERROR
    return isinstance(cause, BotoCoreError) and not isinstance(cause, ParamValidationError)


def _cause(failure: Exception) -> Exception | None:
    """Return botocore's exception behind PynamoDB's, or `failure` if it is none of PynamoDB's."""
    cause: Exception | None = getattr(failure, "cause", failure)
    return cause
