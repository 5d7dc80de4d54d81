"""Razorpay's signatures."""

import hmac
from dataclasses import dataclass
from hashlib import sha256


def is_signed(message: bytes, signature: str, secret: str) -> bool:
    """Whether Razorpay, which shares the secret, signed these very bytes; in constant time.

    Nothing is signed with an empty secret.
    """
    expected = hmac.new(secret.encode(), message, sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(expected.encode(), signature.encode())


@dataclass(frozen=True)
class CheckoutSignature:
    """What Razorpay's checkout hands to the browser as proof of a payment."""

    razorpay_order_id: str
    razorpay_payment_id: str
    signature: str

    def is_valid(self, secret: str) -> bool:
        message = f"{self.razorpay_order_id}|{self.razorpay_payment_id}"
        return is_signed(message.encode(), self.signature, secret)
