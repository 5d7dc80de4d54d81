"""HTTP Lambdas of auth."""

from datetime import timedelta

from auth import wiring
from auth.model import Purpose
from auth.schemas import (
    AddAddressRequest,
    AddAddressResponse,
    AddressBookResponse,
    AddressView,
    ChangePasswordRequest,
    LoginRequest,
    LoginResponse,
    MailLinkRequest,
    MeResponse,
    RegisterRequest,
    RegisterResponse,
    ResetPasswordRequest,
    UserView,
    VerifyEmailRequest,
)
from supermarket.authentication import TOKEN_COOKIE, token_holder
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.errors import Forbidden, Unauthenticated
from supermarket.http import Response, delete, get, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.rate_limits import RequestLimit
from supermarket.request import Request
from supermarket.schemas import Message
from supermarket.tokens import LIFETIME

LIFETIME_SECONDS = int(LIFETIME.total_seconds())
EXPIRED = "Thu, 01 Jan 1970 00:00:00 GMT"
COOKIE_ATTRIBUTES = "Path=/; HttpOnly; Secure; SameSite=Lax"


@post("/api/auth/register", status=201, limit=RequestLimit("registrations", timedelta(hours=1)))
def register(body: RegisterRequest) -> Response[RegisterResponse]:
    user = wiring.registration_service().register(body.registration(Role(body.role)))
    token = wiring.auth_service().sign_in(user)
    view = RegisterResponse(message="Welcome", user=UserView.of(user))
    return Response(view, cookies=[_cookie(token)])


@post("/api/auth/login", errors=(Unauthenticated, Forbidden))
def login(body: LoginRequest) -> Response[LoginResponse]:
    user, token = wiring.auth_service().log_in(body.email, body.username, body.password)
    view = LoginResponse(
        message="You are signed in",
        user=UserView.of(user),
        access_token=token,
        expires_in=LIFETIME_SECONDS,
    )
    return Response(view, cookies=[_cookie(token)])


@get("/api/auth/logout", also=("POST /api/auth/logout",), errors=(Forbidden,))
def logout(request: Request) -> Response[Message]:
    if holder := token_holder(request):
        wiring.auth_service().sign_out(holder.session_id, holder.user_id)
    return Response(Message(message="You are signed out"), cookies=[_no_cookie()])


@post("/api/auth/logout-all")
def logout_all(caller: Caller) -> Response[Message]:
    wiring.auth_service().sign_out_everywhere(caller.user_id)
    return Response(Message(message="You are signed out everywhere"), cookies=[_no_cookie()])


@post("/api/auth/password/forgot", status=202)
def forgot_password(body: MailLinkRequest) -> Message:
    wiring.recovery().request(Purpose.PASSWORD_RESET, body.email)
    return Message(message="If there is an account with this address, a mail was sent to it")


@post("/api/auth/password/reset")
def reset_password(body: ResetPasswordRequest) -> Response[Message]:
    wiring.recovery().reset_password(body.token, body.password)
    view = Message(message="Password changed. Sign in with the new one.")
    return Response(view, cookies=[_no_cookie()])


@post("/api/auth/password/change")
def change_password(body: ChangePasswordRequest, caller: Caller) -> Message:
    wiring.auth_service().change_password(caller, body.current_password, body.new_password)
    return Message(message="Password changed. Your other sessions have ended.")


@post("/api/auth/email/verify")
def verify_email(body: VerifyEmailRequest) -> Message:
    wiring.recovery().verify_email(body.token)
    return Message(message="Email address verified")


@post("/api/auth/email/resend", status=202)
def resend_verification(body: MailLinkRequest) -> Message:
    wiring.recovery().request(Purpose.EMAIL_VERIFICATION, body.email)
    return Message(message="If this address is not verified yet, a mail was sent to it")


@get("/api/auth/me")
def get_me(caller: Caller) -> MeResponse:
    return MeResponse(user=UserView.of(wiring.auth_service().user(caller.user_id)))


@get("/api/auth/users/me/address", also=("GET /api/auth/users/me/addresses",))
def list_addresses(caller: Caller) -> AddressBookResponse:
    return AddressBookResponse.of(wiring.auth_service().address_book(caller.user_id))


@post("/api/auth/users/me/address", status=201, also=("POST /api/auth/users/me/addresses",))
def add_address(
    body: AddAddressRequest, key: IdempotencyKey | None, caller: Caller
) -> AddAddressResponse:
    address, book = wiring.auth_service().add_address(
        caller.user_id, body.saved_address(new_id()), make_default=body.is_default, key=key
    )
    return AddAddressResponse(
        message="The address is saved",
        address=AddressView.of(address, book),
        **dict(AddressBookResponse.of(book)),
    )


@delete(
    "/api/auth/users/me/address/{addressId}",
    also=("DELETE /api/auth/users/me/addresses/{addressId}",),
)
def delete_address(addressId: str, caller: Caller) -> AddressBookResponse:
    book = wiring.auth_service().delete_address(caller.user_id, addressId)
    return AddressBookResponse.of(book)


def _cookie(token: str) -> str:
    return f"{TOKEN_COOKIE}={token}; Max-Age={LIFETIME_SECONDS}; {COOKIE_ATTRIBUTES}"


def _no_cookie() -> str:
    """Return a header that deletes the cookie, also in clients that know `Expires` only."""
    return f"{TOKEN_COOKIE}=; Max-Age=0; Expires={EXPIRED}; {COOKIE_ATTRIBUTES}"


prepare(__name__)
