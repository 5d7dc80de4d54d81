"""The use cases of sessions: open one, refresh its tokens, list and end them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from auth.model import Device, RefreshToken, User
from auth.ports import Accounts, Devices
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, creation_time
from supermarket.errors import NotFound, Unauthenticated
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.sessions import SESSION_LIFETIME, Sessions
from supermarket.transaction import Transaction

SESSION_ENDED = "This session has ended. Sign in again."


@dataclass(frozen=True)
class Tokens:
    """What a client needs to stay signed in; `refresh_expires_in` is in seconds."""

    session_id: str
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    refresh_expires_in: int


type SignIn = tuple[User, Tokens, str]
"""The user, the tokens, and the cookie that makes the device known."""


@dataclass(frozen=True)
class SignIns:
    """Opens, refreshes, lists and ends sessions."""

    accounts: Accounts
    devices: Devices
    sessions: Sessions
    issue_token: Callable[[Caller], str]
    new_secret: Callable[[], str]
    new_id: NewId
    clock: Clock

    def open(self, user: User, client: str) -> Tokens:
        """Open a session of an authenticated user; `client` is the user agent."""
        token = self._new_token(user, client)
        self.sessions.open(token.session_id, user.id, user.standing)
        return self._tokens(user, token)

    def open_instead(
        self, session_id: str, user: User, client: str, transaction: Transaction
    ) -> Tokens:
        """Open a session that replaces all sessions of the user, if the transaction commits. Commit
        raises Unauthenticated unless `session_id` is open.
        """
        token = self._new_token(user, client)
        self.sessions.replace_all(session_id, token.session_id, user.id, transaction)
        return self._tokens(user, token)

    def list_open(self, user_id: str) -> Sequence[Device]:
        """Return the devices on which the user is signed in, latest sign-in first."""
        found = self.devices.find_many(self.sessions.list_open(user_id))
        return sorted(found, key=lambda device: device.session_id, reverse=True)

    def end_own(self, session_id: str, user_id: str) -> None:
        """End a session of the user. Raises NotFound when it is not open."""
        if not self.sessions.is_open(session_id, user_id):
            raise NotFound("Session not found")
        self.sessions.end(session_id, user_id)

    def refresh(self, text: str) -> tuple[User, Tokens]:
        """Return the user and new tokens for a refresh token, which is replaced. Shortly after, the
        replaced one yields the same successor. Raises Unauthenticated.

        The use of a token that was replaced earlier ends the session: it is in two hands, and which
        of them is the owner's is unknown.
        """
        token = RefreshToken.parse(text)
        if token is None:
            raise Unauthenticated(SESSION_ENDED)
        return retry_on_conflict(lambda: self._refresh(token))

    def _refresh(self, token: RefreshToken) -> tuple[User, Tokens]:
        is_open = self.sessions.is_open(token.session_id, token.user_id)
        device = self.devices.find(token.session_id)
        account = self.accounts.find(token.user_id)
        if device is None or account is None or not is_open:
            raise Unauthenticated(SESSION_ENDED)
        return account.user, self._tokens(account.user, self._successor(device, token))

    def _successor(self, device: Device, token: RefreshToken) -> RefreshToken:
        now = self.clock()
        if device.has(token):
            salt = self.new_secret()
            if not self.devices.rotate(device, device.rotate(token, salt, now)):
                raise StaleWrite
            return token.successor(salt)
        if device.salt is None or not device.tolerates(token, now):
            self.sessions.end(token.session_id, token.user_id)
            telemetry.logger.warning("refresh token reused", extra={"user": token.user_id})
            raise Unauthenticated(SESSION_ENDED)
        return token.successor(device.salt)

    def end(self, text: str) -> None:
        """End the session of a refresh token, if the token is its present or its previous one."""
        token = RefreshToken.parse(text)
        device = self.devices.find(token.session_id) if token else None
        if token and device and token.digest in {device.token_digest, device.previous_digest}:
            self.sessions.end(token.session_id, token.user_id)

    def _new_token(self, user: User, client: str) -> RefreshToken:
        """Return the first token of a new session, whose device is stored."""
        token = RefreshToken(user.id, self.new_id(), self.new_secret())
        self.devices.add(Device(token.session_id, user.id, client, self.clock(), token.digest))
        return token

    def _tokens(self, user: User, token: RefreshToken) -> Tokens:
        caller = Caller(user.id, token.session_id, user.role, user.email, user.full_name.first)
        left = creation_time(token.session_id) + SESSION_LIFETIME - self.clock()
        return Tokens(
            session_id=token.session_id,
            access=self.issue_token(caller),
            refresh=str(token),
            refresh_expires_in=int(left.total_seconds()),
        )
