"""Reports of Razorpay that arrived before the attempt that they are about."""

from dataclasses import dataclass, replace
from typing import Self

from payment.model.dispute import Dispute
from payment.model.refund import RazorpayRefund


@dataclass(frozen=True)
class EarlyReports:
    """Reports about an attempt that arrived before the attempt itself, in the order of arrival.

    `version` grows with each report; it is 0 while there is none.
    """

    attempt_id: str
    refunds: tuple[RazorpayRefund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    version: int = 0

    def with_report(self, report: RazorpayRefund | Dispute) -> Self:
        """Add a report, unless it is known."""
        if report in (*self.refunds, *self.disputes):
            return self
        if isinstance(report, Dispute):
            added = replace(self, disputes=(*self.disputes, report))
        else:
            added = replace(self, refunds=(*self.refunds, report))
        return replace(added, version=self.version + 1)
