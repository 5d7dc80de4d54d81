"""HTTP Lambdas of auth."""

from datetime import timedelta

from auth import wiring
from auth.authentication import Challenge
from auth.guesses import DEVICE_LIFETIME, Sender, device_cookie
from auth.model import Purpose, User
from auth.schemas import (
    AddAddressRequest,
    AddAddressResponse,
    AddressBookResponse,
    AddressView,
    ChangeAddressRequest,
    ChangeEmailRequest,
    ChangePasswordRequest,
    ChangeProfileRequest,
    CodeRequest,
    CompleteLoginRequest,
    EnrolTotpResponse,
    JwksResponse,
    LinkRequest,
    LoginRequest,
    MailLinkRequest,
    MeResponse,
    RecoveryCodesResponse,
    RefreshRequest,
    RegisterRequest,
    RemoveTotpRequest,
    ResetPasswordRequest,
    SecondStepResponse,
    SessionsResponse,
    SessionView,
    SignInResponse,
    UserView,
)
from auth.sign_ins import SESSION_ENDED, SignIn, Tokens
from supermarket.authentication import (
    REFRESH_COOKIE,
    TOKEN_COOKIE,
    cookie_name,
    find_caller,
    refresh_token_of,
    token_holder,
)
from supermarket.caller import Caller, Role, SignInAgain
from supermarket.clock import new_id
from supermarket.config import settings
from supermarket.errors import Conflict, Forbidden, NotFound, TooMany, Unauthenticated
from supermarket.http import Response, delete, get, patch, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.preconditions import IfMatch
from supermarket.rate_limits import RequestLimit, client_digest
from supermarket.request import Request
from supermarket.schemas import Message
from supermarket.tokens import LIFETIME
from supermarket.wiring import public_keys

DEVICE_COOKIE = "device"
DEVICE_SECONDS = int(DEVICE_LIFETIME.total_seconds())
MAIL_LINKS = RequestLimit("mail_links", timedelta(hours=1))
LIFETIME_SECONDS = int(LIFETIME.total_seconds())
EXPIRED = "Thu, 01 Jan 1970 00:00:00 GMT"
COOKIE_ATTRIBUTES = "Path=/; HttpOnly; SameSite=Lax"
MAX_CLIENT = 200  # characters of a user agent


@post("/api/auth/register", status=201, limit=RequestLimit("registrations", timedelta(hours=1)))
def register(body: RegisterRequest, request: Request) -> Response[SignInResponse]:
    account = wiring.registration_service().open_account(body.registration(Role(body.role)))
    tokens = wiring.sign_ins().open(account.user, _client_of(request))
    device = device_cookie(account, tokens.session_id)
    return _signed_in("Welcome", account.user, tokens, _device_cookie(device))


@post("/api/auth/login", errors=(Unauthenticated, Forbidden, TooMany))
def login(body: LoginRequest, request: Request) -> Response[SignInResponse] | SecondStepResponse:
    """Sign in, or get a token for the second step where the account has a second factor."""
    found = wiring.auth_service().log_in(
        body.email, body.username, body.password, _sender(request), _client_of(request)
    )
    if isinstance(found, Challenge):
        return SecondStepResponse(mfa_token=found.token, methods=list(found.methods))
    return _new_session(request, found)


@post("/api/auth/login/totp", errors=(Unauthenticated, TooMany))
def complete_login(body: CompleteLoginRequest, request: Request) -> Response[SignInResponse]:
    """Complete a sign-in with a code of the app, or a recovery code."""
    signed_in = wiring.second_factor_service().complete_sign_in(
        body.mfa_token, body.code, _sender(request), _client_of(request)
    )
    return _new_session(request, signed_in)


@post("/api/auth/totp", errors=(Conflict, SignInAgain))
def enrol_totp(caller: Caller) -> EnrolTotpResponse:
    """Make the secret of an app, which the person then confirms."""
    factor, user = wiring.second_factor_service().enrol(caller)
    uri = wiring.app_address(factor.secret, user.email)
    return EnrolTotpResponse(secret=factor.secret, uri=uri, qr=wiring.qr_code(uri))


@post("/api/auth/totp/confirm", errors=(Conflict, NotFound, SignInAgain))
def confirm_totp(body: CodeRequest, caller: Caller) -> RecoveryCodesResponse:
    """Have sign-ins ask for a code; the recovery codes are shown only here."""
    codes = wiring.second_factor_service().confirm(caller, body.code)
    return RecoveryCodesResponse(recovery_codes=list(codes))


@delete("/api/auth/totp", errors=(NotFound, Conflict, TooMany))
def remove_totp(body: RemoveTotpRequest, request: Request, caller: Caller) -> Message:
    service = wiring.second_factor_service()
    service.remove(caller, body.password, body.code, _sender(request))
    return Message(message="The second factor is removed")


@post("/api/auth/refresh", errors=(Unauthenticated, Forbidden))
def refresh_session(body: RefreshRequest, request: Request) -> Response[SignInResponse]:
    """Return new tokens for a refresh token, in the body or in the cookie."""
    token = body.refresh_token or refresh_token_of(request)
    if token is None:
        raise Unauthenticated(SESSION_ENDED)
    wiring.plan_refresh(token)
    user, tokens = wiring.sign_ins().refresh(token)
    return _signed_in("You are signed in", user, tokens)


@get("/api/auth/logout", also=("POST /api/auth/logout",), errors=(Forbidden,))
def logout(request: Request) -> Response[Message]:
    _sign_out(request)
    return Response(Message(message="You are signed out"), cookies=_no_cookies())


@get("/api/auth/sessions")
def list_sessions(caller: Caller) -> SessionsResponse:
    devices = wiring.sign_ins().list_open(caller.user_id)
    return SessionsResponse(sessions=[SessionView.of(each, caller.session_id) for each in devices])


@delete("/api/auth/sessions/{sessionId}")
def end_session(sessionId: str, caller: Caller) -> Response[Message]:
    wiring.sign_ins().end_own(sessionId, caller.user_id)
    is_own = sessionId == caller.session_id
    return Response(Message(message="The session has ended"), _no_cookies() if is_own else ())


@post("/api/auth/logout-all")
def logout_all(caller: Caller) -> Response[Message]:
    wiring.auth_service().sign_out_everywhere(caller.user_id)
    return Response(Message(message="You are signed out everywhere"), cookies=_no_cookies())


@post("/api/auth/password/forgot", status=202, limit=MAIL_LINKS)
def forgot_password(body: MailLinkRequest, request: Request) -> Message:
    wiring.recovery().request(Purpose.PASSWORD_RESET, body.email, _sender(request))
    return Message(message="If there is an account with this address, a mail was sent to it")


@post("/api/auth/password/reset")
def reset_password(body: ResetPasswordRequest) -> Response[Message]:
    device = wiring.recovery().reset_password(body.token, body.password)
    view = Message(message="Password changed. Sign in with the new one.")
    return Response(view, cookies=[*_no_cookies(), _device_cookie(device)])


@post("/api/auth/password/change", errors=(TooMany,))
def change_password(
    body: ChangePasswordRequest, request: Request, caller: Caller
) -> Response[SignInResponse]:
    user, tokens, device = wiring.auth_service().change_password(
        caller, body.current_password, body.new_password, _sender(request), _client_of(request)
    )
    message = "Password changed. Your other sessions have ended."
    return _signed_in(message, user, tokens, _device_cookie(device))


@post("/api/auth/email/verify")
def verify_email(body: LinkRequest, request: Request) -> Message:
    wiring.recovery().verify_email(body.token, find_caller(request))
    return Message(message="Email address verified")


@post("/api/auth/email/resend", status=202, limit=MAIL_LINKS)
def resend_verification(body: MailLinkRequest, request: Request) -> Message:
    wiring.recovery().request(Purpose.EMAIL_VERIFICATION, body.email, _sender(request))
    return Message(message="If this address is not verified yet, a mail was sent to it")


@post("/api/auth/email/change", status=202, errors=(TooMany,))
def request_email_change(body: ChangeEmailRequest, request: Request, caller: Caller) -> Message:
    wiring.email_changes().request(caller, body.email, body.password, _sender(request))
    return Message(message="A mail with a link was sent to the new address, unless it is in use")


@post("/api/auth/email/change/confirm", errors=(Conflict,))
def confirm_email_change(body: LinkRequest, request: Request) -> Message:
    wiring.email_changes().confirm(body.token, find_caller(request))
    return Message(message="Email address changed")


@post("/api/auth/email/change/undo")
def undo_email_change(body: LinkRequest) -> Response[Message]:
    wiring.email_changes().undo(body.token)
    message = "Your address is restored. A mail with a link to choose a new password was sent to it"
    return Response(Message(message=message), cookies=_no_cookies())


@get("/api/auth/me")
def get_me(caller: Caller) -> MeResponse:
    return MeResponse(user=UserView.of(wiring.account_service().user(caller.user_id)))


@patch("/api/auth/me")
def change_profile(body: ChangeProfileRequest, caller: Caller) -> MeResponse:
    name = body.full_name.full_name() if body.full_name else None
    user = wiring.account_service().change_profile(caller.user_id, name, body.phone)
    return MeResponse(user=UserView.of(user))


@get("/.well-known/jwks.json", cache_control="public, max-age=300")
def list_public_keys() -> JwksResponse:
    return JwksResponse.of(public_keys().list_valid())


@get("/api/auth/users/me/address", also=("GET /api/auth/users/me/addresses",))
def list_addresses(caller: Caller) -> AddressBookResponse:
    return AddressBookResponse.of(wiring.account_service().address_book(caller.user_id))


@post("/api/auth/users/me/address", status=201, also=("POST /api/auth/users/me/addresses",))
def add_address(
    body: AddAddressRequest, key: IdempotencyKey | None, caller: Caller
) -> AddAddressResponse:
    address, book = wiring.account_service().add_address(
        caller.user_id, body.saved_address(new_id()), make_default=body.is_default, key=key
    )
    return AddAddressResponse(
        message="The address is saved",
        address=AddressView.of(address, book),
        **dict(AddressBookResponse.of(book)),
    )


@patch(
    "/api/auth/users/me/address/{addressId}",
    also=("PATCH /api/auth/users/me/addresses/{addressId}",),
)
def change_address(
    addressId: str, body: ChangeAddressRequest, caller: Caller, if_match: IfMatch | None
) -> AddressBookResponse:
    book = wiring.account_service().change_address(
        caller.user_id,
        addressId,
        body.changes(),
        make_default=body.is_default is True,
        if_match=if_match,
    )
    return AddressBookResponse.of(book)


@delete(
    "/api/auth/users/me/address/{addressId}",
    also=("DELETE /api/auth/users/me/addresses/{addressId}",),
)
def delete_address(addressId: str, caller: Caller) -> AddressBookResponse:
    book = wiring.account_service().delete_address(caller.user_id, addressId)
    return AddressBookResponse.of(book)


def _new_session(request: Request, signed_in: SignIn) -> Response[SignInResponse]:
    """Return the tokens of a sign-in; the session of earlier cookies ends."""
    user, tokens, device = signed_in
    if request.bearer_token is None:
        _sign_out(request)
    return _signed_in("You are signed in", user, tokens, _device_cookie(device))


def _signed_in(message: str, user: User, tokens: Tokens, *more: str) -> Response[SignInResponse]:
    """Return the tokens in the body and in cookies; `more` are further cookies."""
    view = SignInResponse(
        message=message,
        user=UserView.of(user),
        access_token=tokens.access,
        refresh_token=tokens.refresh,
        expires_in=LIFETIME_SECONDS,
        refresh_expires_in=tokens.refresh_expires_in,
    )
    cookies = [
        _cookie(TOKEN_COOKIE, f"{tokens.access}; Max-Age={LIFETIME_SECONDS}"),
        _cookie(REFRESH_COOKIE, f"{tokens.refresh}; Max-Age={tokens.refresh_expires_in}"),
    ]
    return Response(view, cookies=[*cookies, *more])


def _sender(request: Request) -> Sender:
    return Sender(client_digest(request.client_address), request.cookies.get(DEVICE_COOKIE))


def _device_cookie(value: str) -> str:
    secure = "; Secure" if settings().has_https else ""
    attributes = f"Path=/api/auth; HttpOnly; SameSite=Lax{secure}"
    return f"{DEVICE_COOKIE}={value}; Max-Age={DEVICE_SECONDS}; {attributes}"


def _sign_out(request: Request) -> None:
    """End the session that the request names, if any."""
    if holder := token_holder(request):
        wiring.auth_service().sign_out(holder.session_id, holder.user_id)
    elif token := refresh_token_of(request):  # browsers keep it longer
        wiring.sign_ins().end(token)


def _client_of(request: Request) -> str:
    """Return the user agent, as text that can be shown."""
    agent = request.headers.get("user-agent", "")
    return "".join(filter(str.isprintable, agent))[:MAX_CLIENT]


def _cookie(name: str, value: str) -> str:
    secure = "; Secure" if settings().has_https else ""
    return f"{cookie_name(name)}={value}; {COOKIE_ATTRIBUTES}{secure}"


def _no_cookies() -> list[str]:
    """Return headers that delete the cookies, also in clients that know `Expires` only."""
    deleted = f"; Max-Age=0; Expires={EXPIRED}"
    old = f"{TOKEN_COOKIE}={deleted}; {COOKIE_ATTRIBUTES}; Secure"
    present = [_cookie(name, deleted) for name in (TOKEN_COOKIE, REFRESH_COOKIE)]
    return [*present, old] if settings().has_https else present


prepare(__name__)
