"""Composition root of auth. Other domains need few of its modules, so factories import the rest."""

import time
from functools import cache, partial
from secrets import token_bytes, token_urlsafe
from typing import TYPE_CHECKING

from auth.ports import Passwords
from auth.repository import (
    DynamoAccounts,
    DynamoAddressBooks,
    DynamoDevices,
    DynamoGuessRecords,
    DynamoKeyRings,
    DynamoLinks,
    DynamoMailLimits,
    DynamoSecondFactors,
)
from auth.service import AccountService
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.secrets import client, replace_secret, secret
from supermarket.wiring import (
    audit_trail,
    idempotency_keys,
    public_keys,
    sessions,
    token_issuer,
)

if TYPE_CHECKING:
    from auth.authentication import AuthService, RegistrationService
    from auth.email_changes import EmailChanges
    from auth.links import TokenLinks
    from auth.password_checks import PasswordChecks
    from auth.recovery import Recovery
    from auth.second_factors import SecondFactorReset, SecondFactorService
    from auth.sign_ins import SignIns
    from auth.signing import KeyRotation, TokenIssuer
    from auth.standing import StandingService

TOKEN_BYTES = 32
SIGNING_KEY = "signing-key"
APP_ISSUER = "Super-Market"


@cache
def account_service() -> AccountService:
    return AccountService(
        DynamoAccounts(), DynamoAddressBooks(), idempotency_keys(), DynamoTransaction
    )


@cache
def auth_service() -> "AuthService":
    from auth.authentication import AuthService

    return AuthService(
        accounts=DynamoAccounts(),
        passwords=passwords(settings().bcrypt_rounds),
        checks=password_checks(),
        sessions=sessions(),
        sign_ins=sign_ins(),
        begin=DynamoTransaction,
    )


@cache
def second_factor_service() -> "SecondFactorService":
    from auth.second_factors import SecondFactorService

    return SecondFactorService(
        accounts=DynamoAccounts(),
        factors=DynamoSecondFactors(),
        checks=password_checks(),
        sessions=sessions(),
        sign_in=auth_service().sign_in,
        begin=DynamoTransaction,
        random=token_bytes,
        clock=utc_now,
    )


def second_factor_reset() -> "SecondFactorReset":
    from auth.second_factors import SecondFactorReset

    return SecondFactorReset(
        DynamoAccounts(),
        DynamoSecondFactors(),
        sessions(),
        audit_trail(),
        DynamoTransaction,
        utc_now,
    )


def app_address(secret: str, account_name: str) -> str:
    """Return the address that a QR code passes to the app."""
    from urllib.parse import quote

    label = quote(f"{APP_ISSUER}:{account_name}", safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer={quote(APP_ISSUER)}"


def qr_code(text: str) -> str:
    """Return a QR code as the data URI of an SVG image."""
    import segno

    uri: str = segno.make_qr(text).svg_data_uri(scale=4)
    return uri


@cache
def sign_ins() -> "SignIns":
    from auth.sign_ins import SignIns

    return SignIns(
        accounts=DynamoAccounts(),
        devices=DynamoDevices(),
        sessions=sessions(),
        issue_token=token_issuing().issue,
        new_secret=partial(token_urlsafe, TOKEN_BYTES),
        new_id=new_id,
        clock=utc_now,
    )


@cache
def token_issuing() -> "TokenIssuer":
    # imported late, since other domains use this module and sign nothing
    from auth.signing import TokenIssuer

    client()  # makes it in the init phase; nothing is fetched
    return TokenIssuer(
        secret=partial(secret, SIGNING_KEY),
        rings=DynamoKeyRings(),
        is_published=public_keys().is_known,
        issuer=token_issuer(),
        clock=utc_now,
    )


@cache
def key_rotation() -> "KeyRotation":
    from auth.signing import KeyRotation

    return KeyRotation(
        rings=DynamoKeyRings(),
        save=partial(replace_secret, SIGNING_KEY),
        wait=time.sleep,
        new_seed=partial(token_urlsafe, TOKEN_BYTES),
        new_id=new_id,
        clock=utc_now,
    )


def plan_refresh(text: str) -> None:
    """Read the account and the device of a refresh token together with the session."""
    from auth.model import RefreshToken

    if token := RefreshToken.parse(text):
        DynamoAccounts.plan_read(token.user_id)
        DynamoDevices.plan_read(token.session_id)


def plan_user(caller: Caller) -> None:
    """Read the caller's account together with the session."""
    DynamoAccounts.plan_read(caller.user_id)


@cache
def registration_service(bcrypt_rounds: int | None = None) -> "RegistrationService":
    """`bcrypt_rounds` replaces the setting; commands, which have none, register admins only."""
    from auth.authentication import RegistrationService

    return RegistrationService(
        accounts=DynamoAccounts(),
        passwords=passwords(bcrypt_rounds or settings().bcrypt_rounds),
        audit=audit_trail(),
        begin=DynamoTransaction,
        clock=utc_now,
        new_id=new_id,
        sellers_need_approval=bcrypt_rounds is None and settings().sellers_need_approval,
    )


@cache
def standing_service() -> "StandingService":
    from auth.standing import StandingService

    return StandingService(DynamoAccounts(), sessions(), audit_trail(), DynamoTransaction)


@cache
def recovery() -> "Recovery":
    from auth.recovery import Recovery

    return Recovery(
        accounts=DynamoAccounts(),
        address_books=DynamoAddressBooks(),
        links=DynamoLinks(),
        limits=DynamoMailLimits(utc_now),
        passwords=passwords(settings().bcrypt_rounds),
        sessions=sessions(),
        begin=DynamoTransaction,
        clock=utc_now,
        new_id=new_id,
    )


@cache
def email_changes() -> "EmailChanges":
    from auth.email_changes import EmailChanges

    return EmailChanges(
        accounts=DynamoAccounts(),
        address_books=DynamoAddressBooks(),
        links=DynamoLinks(),
        limits=DynamoMailLimits(utc_now),
        passwords=passwords(settings().bcrypt_rounds),
        checks=password_checks(),
        sessions=sessions(),
        begin=DynamoTransaction,
        new_secret=partial(token_urlsafe, TOKEN_BYTES),
        clock=utc_now,
    )


@cache
def token_links() -> "TokenLinks":
    """For the sender of mails, the only one that may see the tokens."""
    from auth.links import TokenLinks

    return TokenLinks(
        accounts=DynamoAccounts(),
        links=DynamoLinks(),
        new_token=partial(token_urlsafe, TOKEN_BYTES),
        clock=utc_now,
    )


@cache
def password_checks() -> "PasswordChecks":
    from auth.guesses import FreeFailures
    from auth.password_checks import PasswordChecks

    free = FreeFailures(
        per_account_and_client=settings().guesses_per_account_and_client,
        per_account=settings().guesses_per_account,
        per_client=settings().guesses_per_client,
    )
    return PasswordChecks(
        passwords(settings().bcrypt_rounds), DynamoGuessRecords(utc_now), free, utc_now
    )


@cache
def passwords(rounds: int) -> Passwords:
    from auth.gateways import BcryptPasswords

    return BcryptPasswords(rounds)
