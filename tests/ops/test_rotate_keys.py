"""The command that replaces the key of access tokens."""

import json
from dataclasses import replace

import pytest

from auth import wiring
from auth.endpoints import list_public_keys, login, refresh_session
from auth.repository import DynamoKeyRings
from auth.signing import SECONDS_BEFORE_USE
from cart.endpoints import get_cart
from support.api import call
from support.auth import PASSWORD, register_somebody
from support.cloud import SIGNING_KEY, client, forget_secrets
from support.ops import ops


@pytest.mark.usefixtures("aws")
def test_an_operator_replaces_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    rotation = wiring.key_rotation()
    monkeypatch.setattr(wiring, "key_rotation", lambda: replace(rotation, wait=waits.append))
    user = register_somebody()
    before = call(login, body={"email": user["email"], "password": PASSWORD}).body

    assert ops("rotate-keys") == 0
    assert waits == [SECONDS_BEFORE_USE]
    stored = client("secretsmanager").get_secret_value(SecretId="supermarket/test/signing-key")
    key = json.loads(stored["SecretString"])
    assert key["id"] != SIGNING_KEY["id"]
    assert key["seed"] not in str(DynamoKeyRings().read())

    forget_secrets()
    assert len(call(list_public_keys).body["keys"]) == 2
    after = call(refresh_session, body={"refreshToken": before["refreshToken"]}).body
    for reply in (before, after):
        headers = {"authorization": f"Bearer {reply['accessToken']}"}
        assert call(get_cart, headers=headers).status == 200
    forget_secrets()
