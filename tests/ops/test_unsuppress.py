"""The command that lets an address have mails again."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from notification import wiring
from notification.repository import DynamoSuppressions
from ops.unsuppress import main
from supermarket.clock import utc_now
from supermarket.dynamo import rows
from support import cloud

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
def test_an_address_comes_off_both_lists(ses: Stubber, is_on_ses_list: bool) -> None:
    DynamoSuppressions().add(ADDRESS, "bounce", utc_now())
    if is_on_ses_list:
        ses.add_response(OPERATION, {}, {"EmailAddress": ADDRESS})
    else:
        ses.add_client_error(OPERATION, "NotFoundException")
    assert main(["Asha@example.com "]) == 0
    assert not DynamoSuppressions().has(ADDRESS)
    ses.assert_no_pending_responses()


def test_who_is_on_no_list_is_told(ses: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    ses.add_client_error(OPERATION, "NotFoundException")
    assert main([ADDRESS]) == 0
    assert capsys.readouterr().out == "asha@example.com is on no list\n"


def test_while_ses_keeps_it_back_it_stays_on_ours(
    ses: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    DynamoSuppressions().add(ADDRESS, "bounce", utc_now())
    ses.add_client_error(OPERATION, "AccessDeniedException")
    assert main([ADDRESS]) == 1
    assert "AccessDenied" in capsys.readouterr().err
    assert DynamoSuppressions().has(ADDRESS)


def test_a_database_that_says_no_is_told_in_a_line(
    ses: Stubber, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str, _arguments: object) -> None:
        raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "old"}}, name)

    ses.add_response(OPERATION, {}, {"EmailAddress": ADDRESS})
    monkeypatch.setattr(rows.database().client, "_make_api_call", refuse)
    assert main([ADDRESS]) == 1
    assert "ExpiredToken" in capsys.readouterr().err


def test_without_a_stage_nothing_is_touched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STAGE")
    assert main([ADDRESS]) == 1
    assert "STAGE" in capsys.readouterr().err
