"""Composition root of the checks. It needs neither orders, which use it, nor Razorpay."""

from functools import cache

from payment.checks.service import PaymentChecks
from payment.repository import DynamoPayments


@cache
def payment_checks() -> PaymentChecks:
    return PaymentChecks(DynamoPayments())
