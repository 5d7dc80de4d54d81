"""Checks the passwords of people who sign in, and limits how often they can be guessed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from auth.guesses import Budget, FreeFailures, GuessRecord, Sender, known_device
from auth.model import Account, digest
from auth.ports import GuessRecords, Passwords
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.errors import TooMany, Unavailable

ATTEMPTS = 25  # one fails only when another attempt of the same record was counted first
A_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True)
class PasswordChecks:
    """Checks passwords. An attempt is counted before the password is hashed, and forgotten when the
    password is right, so that concurrent attempts cannot exceed a limit.

    Attempts of a device that the account knows count for this device alone: strangers cannot lock
    the owner out. Records that cannot be read or written limit nothing.
    """

    passwords: Passwords
    records: GuessRecords
    free: FreeFailures
    clock: Clock

    def check(self, account: Account | None, name: str, password: str, sender: Sender) -> bool:
        """Return whether the password is the account's; `name` is what was sent to find it. Raises
        TooMany after too many failures.
        """
        budgets = self._budgets(account, name, sender)
        return self._check(budgets, lambda: self._verify(account, password))

    def check_code(self, account: Account, is_right: Callable[[], bool], sender: Sender) -> bool:
        """Return whether a code of the second factor is right. Failures have a record of their own,
        of all clients together: who knows the password could reset that of passwords.
        """
        device = known_device(sender.device, account, self.clock())
        key = f"device-code#{device}" if device else f"code#{account.user.id}"
        return self._check([Budget(key, free=self.free.per_account_and_client)], is_right)

    def _check(self, budgets: list[Budget], verify: Callable[[], bool]) -> bool:
        try:
            counted = self._count(budgets)
        except Unavailable:
            telemetry.logger.warning("password attempt not counted")
            telemetry.count("PasswordAttemptsNotCounted")
            return verify()
        is_right = verify()
        try:
            self._settle(budgets, counted, is_right=is_right)
        except Unavailable:
            telemetry.logger.warning("password attempt not settled")
        return is_right

    def _verify(self, account: Account | None, password: str) -> bool:
        return self.passwords.verify(password, account.password_hash if account else None)

    def _budgets(self, account: Account | None, name: str, sender: Sender) -> list[Budget]:
        free = self.free
        if device := known_device(sender.device, account, self.clock()):
            return [Budget(f"device#{device}", free=free.per_account_and_client)]
        subject = account.user.id if account else digest(name.lower())
        return [
            Budget(
                f"account#{subject}", sender.client, free.per_account_and_client, free.per_account
            ),
            Budget(f"client#{sender.client}", free=free.per_client, is_shared=True),
        ]

    def _count(self, budgets: list[Budget]) -> Mapping[str, GuessRecord]:
        """Count the attempt; returns the records in which it is counted. A shared record far from
        its limit counts only failures, so that the usual login writes one record.
        """
        now = self.clock()
        records = {key: record.remembered(now) for key, record in self._find(budgets).items()}
        _refuse(max(budget.wait(records[budget.key], now) for budget in budgets))
        return {
            budget.key: self._count_in(budget, records[budget.key])
            for budget in budgets
            if not budget.counts_failures_only(records[budget.key])
        }

    def _count_in(self, budget: Budget, record: GuessRecord) -> GuessRecord:
        for _ in range(ATTEMPTS):
            now = self.clock()
            record = record.remembered(now)
            _refuse(budget.wait(record, now))
            if stored := self.records.replace(record.add(budget.client, 1, now)):
                return stored
            record = self._find([budget])[budget.key]
        raise _too_many(A_MOMENT)

    def _settle(
        self, budgets: list[Budget], counted: Mapping[str, GuessRecord], *, is_right: bool
    ) -> None:
        """Forget the attempt if it was right, and count it where it was not if it was wrong."""
        for budget in budgets:
            record = counted.get(budget.key)
            if is_right and record and record.number > 1:  # a single one expires
                self._change(budget, record, budget.forget)
            elif not is_right and record is None and budget.free:
                self._change(budget, None, lambda each: each.add("", 1, self.clock()))

    def _change(
        self,
        budget: Budget,
        record: GuessRecord | None,
        change: Callable[[GuessRecord], GuessRecord],
    ) -> None:
        for _ in range(ATTEMPTS):
            record = record or self._find([budget])[budget.key].remembered(self.clock())
            if self.records.replace(change(record)):
                return
            record = None

    def _find(self, budgets: list[Budget]) -> Mapping[str, GuessRecord]:
        return self.records.find([budget.key for budget in budgets])


def _refuse(wait: timedelta) -> None:
    if wait:
        raise _too_many(wait)


def _too_many(wait: timedelta) -> TooMany:
    telemetry.count("PasswordAttemptsThrottled")
    seconds = math.ceil(wait.total_seconds())
    return TooMany(f"Too many failed attempts. Try again in {seconds} seconds.", seconds)
