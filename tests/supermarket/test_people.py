"""Addresses and recipients."""

import pytest

from supermarket.contracts import ContractModel
from supermarket.errors import Invalid
from supermarket.people import Address, Recipient

HOME = Address("12 MG Road", "Bengaluru", "Karnataka", "560001", "IN")


def test_an_address_changes_in_the_given_fields_only() -> None:
    moved = HOME.with_changes({"street": "1 Park Street"})
    assert str(moved) == "1 Park Street, Bengaluru, Karnataka 560001, IN"


def test_a_changed_address_is_kept_in_one_form() -> None:
    moved = HOME.with_changes({"country": "भारत", "zip": "११० ०११"})
    assert (moved.country, moved.zip) == ("IN", "110011")


def test_an_address_without_state_and_postal_code_is_one_line() -> None:
    assert str(Address("1 Garden Road", "Central", "", "", "HK")) == "1 Garden Road, Central, HK"


@pytest.mark.parametrize(
    ("changes", "field"), [({"country": "Atlantis"}, "country"), ({"state": ""}, "state")]
)
def test_a_changed_address_has_a_country_and_its_state(changes: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as failure:
        HOME.with_changes(changes)
    assert [error.field for error in failure.value.errors] == [field]


@pytest.mark.parametrize("changes", [{"zip": "56000"}, {"country": "US", "zip": "560001"}])
def test_a_changed_address_needs_a_postal_code_of_its_country(changes: dict[str, str]) -> None:
    with pytest.raises(Invalid) as failure:
        HOME.with_changes(changes)
    assert [error.field for error in failure.value.errors] == ["zip"]


def test_an_event_writes_recipients_in_camel_case_and_ignores_new_fields() -> None:
    class Mail(ContractModel):
        customer: Recipient

    person = '{"userId":"u1","email":"asha@example.com","firstName":"Asha","emailVerified":false}'
    text = '{"customer":' + person + "}"
    mail = Mail(customer=Recipient("u1", "asha@example.com", "Asha"))
    assert mail.model_dump_json() == text
    assert Mail.model_validate_json(text.replace('"userId"', '"phone":"1","userId"')) == mail
