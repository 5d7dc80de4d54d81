"""The command that allows mails to an address again."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from notification import wiring
from notification.repository import DynamoSuppressions
from supermarket.clock import utc_now
from supermarket.dynamo import rows
from support import cloud
from support.ops import ops

pytestmark = pytest.mark.usefixtures("aws")

ADDRESS = "asha@example.com"
OPERATION = "delete_suppressed_destination"


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = cloud.client("sesv2")
    monkeypatch.setattr(wiring, "_ses", lambda: client)
    with Stubber(client) as stubber:
        yield stubber


@pytest.mark.parametrize("is_on_ses_list", [True, False])
def test_an_address_is_removed_from_both_lists(ses: Stubber, is_on_ses_list: bool) -> None:
    DynamoSuppressions().add(ADDRESS, "bounce", utc_now())
    if is_on_ses_list:
        ses.add_response(OPERATION, {}, {"EmailAddress": ADDRESS})
    else:
        ses.add_client_error(OPERATION, "NotFoundException")
    assert ops("unsuppress", "Asha@example.com ") == 0
    assert not DynamoSuppressions().has(ADDRESS)
    ses.assert_no_pending_responses()


def test_an_address_that_is_not_suppressed_is_reported(
    ses: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    ses.add_client_error(OPERATION, "NotFoundException")
    assert ops("unsuppress", ADDRESS) == 0
    assert capsys.readouterr().out == "asha@example.com is not suppressed\n"


def test_an_address_stays_suppressed_when_ses_fails(
    ses: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    DynamoSuppressions().add(ADDRESS, "bounce", utc_now())
    ses.add_client_error(OPERATION, "AccessDeniedException")
    assert ops("unsuppress", ADDRESS) == 1
    assert "AccessDenied" in capsys.readouterr().err
    assert DynamoSuppressions().has(ADDRESS)


def test_a_failure_of_the_database_is_reported_in_a_line(
    ses: Stubber, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str, _arguments: object) -> None:
        raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "old"}}, name)

    ses.add_response(OPERATION, {}, {"EmailAddress": ADDRESS})
    monkeypatch.setattr(rows.database().client, "_make_api_call", refuse)
    assert ops("unsuppress", ADDRESS) == 1
    assert "ExpiredToken" in capsys.readouterr().err
