"""AWS clients, all of one botocore session: it reads AWS's endpoints and the credentials once.

botocore without boto3, whose import would lengthen every cold start.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config


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
