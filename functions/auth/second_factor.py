"""The second factor of a sign-in: one-time passwords of an app (RFC 6238), and recovery codes."""

import hmac
from base64 import b32decode, b32encode
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from auth.model import Account, digest

TOTP = "totp"  # the method's name in answers
STEP_SECONDS = 30
DIGITS = 6
TOLERATED_STEPS = 1  # before and after the present one: clocks differ, and people type slowly
RECOVERY_CODES = 10
# how long the second step of a sign-in may take
CHALLENGE_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class SecondFactor:
    """A person's app and recovery codes. `secret` is in Base32, as apps take it; `last_step` is the
    step of the last code, which works once. `version` counts changes.
    """

    user_id: str
    secret: str = field(repr=False)
    is_confirmed: bool = False
    last_step: int = 0
    recovery_digests: tuple[str, ...] = ()
    version: int = 0

    def use(self, code: str, now: datetime) -> "SecondFactor | None":
        """Return the factor after a code was used; None when the code is wrong or was used."""
        code = "".join(filter(str.isalnum, code)).upper()
        if step := self._step_of(code, now):
            return replace(self, last_step=step)
        recovery = recovery_digest(self.user_id, code)
        if not self.is_confirmed or recovery not in self.recovery_digests:
            return None
        left = tuple(each for each in self.recovery_digests if each != recovery)
        return replace(self, recovery_digests=left)

    def confirm(self, code: str, recovery_codes: list[str], now: datetime) -> "SecondFactor | None":
        """Return the factor that sign-ins ask for; None when the code is wrong."""
        used = self.use(code, now)
        if used is None:
            return None
        digests = tuple(recovery_digest(self.user_id, each) for each in recovery_codes)
        return replace(used, is_confirmed=True, recovery_digests=digests)

    def _step_of(self, code: str, now: datetime) -> int | None:
        present = int(now.timestamp()) // STEP_SECONDS
        for step in range(present - TOLERATED_STEPS, present + TOLERATED_STEPS + 1):
            is_right = hmac.compare_digest(code_at(self.secret, step).encode(), code.encode())
            if is_right and step > self.last_step:
                return step
        return None


def code_at(secret: str, step: int) -> str:
    """Return the one-time password of a step."""
    mac = hmac.digest(b32decode(secret), step.to_bytes(8), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def as_secret(random: bytes) -> str:
    """Return random bytes as an app's secret."""
    return b32encode(random).decode()


def as_recovery_code(random: bytes) -> str:
    """Return ten random bytes as text that can be copied by hand: `ABCD-EFGH-IJKL-MNOP`."""
    text = b32encode(random).decode()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def recovery_digest(user_id: str, code: str) -> str:
    return digest(f"{user_id}\n{code.replace('-', '')}")


def challenge(account: Account, now: datetime) -> str:
    """Return the token of a sign-in that lacks its second step. It ends with the password, whose
    hash signs it.
    """
    return _challenge(account, int((now + CHALLENGE_LIFETIME).timestamp()))


def challenged_user(token: str) -> str:
    """Return the id of the user that a token names."""
    return token.partition(".")[0]


def is_challenge(token: str, account: Account, now: datetime) -> bool:
    """Return whether the account's password was checked a short time ago."""
    expires = token.split(".")[1:2]
    if not expires or not expires[0].isascii() or not expires[0].isdigit():
        return False
    expected = _challenge(account, int(expires[0]))
    is_genuine = hmac.compare_digest(token.encode(), expected.encode())
    return is_genuine and now.timestamp() < int(expires[0])


def _challenge(account: Account, expires: int) -> str:
    text = f"second factor\n{account.user.id}\n{expires}"
    signature = hmac.new(account.password_hash.encode(), text.encode(), sha256).hexdigest()
    return f"{account.user.id}.{expires}.{signature}"
