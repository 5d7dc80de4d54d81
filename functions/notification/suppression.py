"""The use case of SES's reports: suppress addresses that bounce or complain."""

from dataclasses import dataclass

from notification.ports import Suppressions
from supermarket import telemetry
from supermarket.clock import Clock

PERMANENT = "Permanent"
ON_SES_OWN_LIST = "OnAccountSuppressionList"  # SES did not send the mail
NOT_SPAM = "not-spam"  # the recipient moved the mail out of the spam folder


@dataclass(frozen=True)
class FeedbackService:
    """Suppresses addresses after permanent bounces and complaints; counts other reports.

    Reports may be repeated.
    """

    suppressions: Suppressions
    clock: Clock

    def bounced(self, address: str, bounce_type: str, sub_type: str = "") -> None:
        telemetry.count("MailsBounced", type=bounce_type)
        if bounce_type == PERMANENT and sub_type != ON_SES_OWN_LIST:
            self._suppress(address, "bounce")

    def complained(self, address: str, feedback_type: str | None) -> None:
        telemetry.count("MailsComplainedAbout", type=feedback_type or "unknown")
        if feedback_type != NOT_SPAM:
            self._suppress(address, "complaint")

    def _suppress(self, address: str, why: str) -> None:
        self.suppressions.add(address, why, self.clock())
        telemetry.logger.warning("address suppressed", extra={"why": why})
