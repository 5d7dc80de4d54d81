"""Composition root of payment."""

from functools import cache
from typing import Any

from payment.gateways import OrderServiceOrders, RazorpayApi
from payment.repository import DynamoPayments
from payment.service import PaymentService, RazorpayKeys
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.secrets import secret


@cache
def payment_service() -> PaymentService:
    return PaymentService(
        payments=DynamoPayments(),
        orders=OrderServiceOrders(),
        razorpay=RazorpayApi(lambda: razorpay_client(razorpay_keys())),
        keys=razorpay_keys,
        begin=DynamoTransaction,
        clock=utc_now,
        new_id=new_id,
    )


def razorpay_keys() -> RazorpayKeys:
    """Asked for anew every few minutes, so that a rotation arrives by itself."""
    keys = secret("razorpay")
    return RazorpayKeys(keys["keyId"], keys["keySecret"])


@cache
def razorpay_client(keys: RazorpayKeys) -> Any:
    # the SDK's import costs a cold start 130 ms, so only those who call Razorpay pay it
    from razorpay import Client

    return Client(
        auth=(keys.key_id, keys.key_secret), base_url=settings().razorpay_base_url.rstrip("/")
    )
