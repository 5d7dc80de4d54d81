"""Signatures of access tokens: Ed25519 by libsodium, the one algorithm that exists here."""

import json
from typing import Any

import jwt
from jwt.algorithms import Algorithm
from jwt.utils import base64url_decode, base64url_encode

# of all ways to verify a signature this import costs a cold start least (decision 95)
from nacl.bindings.crypto_sign import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_PUBLICKEYBYTES,
    crypto_sign_SECRETKEYBYTES,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

ALGORITHM = "EdDSA"  # Ed25519's name in a JWT


class Ed25519(Algorithm):
    """PyJWT's interface to libsodium. A public key has 32 bytes, a private one 64."""

    def prepare_key(self, key: bytes) -> bytes:
        return key

    def sign(self, msg: bytes, key: bytes) -> bytes:
        if len(key) != crypto_sign_SECRETKEYBYTES:
            raise jwt.InvalidKeyError("a private key has 64 bytes")
        return crypto_sign(msg, key)[:crypto_sign_BYTES]

    def verify(self, msg: bytes, key: bytes, sig: bytes) -> bool:
        # libsodium does not check lengths
        if len(key) != crypto_sign_PUBLICKEYBYTES or len(sig) != crypto_sign_BYTES:
            return False
        try:
            crypto_sign_open(sig + msg, key)
        except BadSignatureError:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: bytes, as_dict: bool = False) -> Any:
        """Return a public key as a JSON Web Key (RFC 8037)."""
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(key_obj).decode()}
        return jwk if as_dict else json.dumps(jwk)

    @staticmethod
    def from_jwk(jwk: str | dict[str, Any]) -> bytes:
        """Return the public key of a JSON Web Key."""
        fields = json.loads(jwk) if isinstance(jwk, str) else jwk
        return base64url_decode(fields["x"])


def key_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Return the public and the private key of 32 random bytes."""
    public, private = crypto_sign_seed_keypair(seed)
    return public, private


# PyJWT's own algorithms, `none` and HMAC among them, are left out
JWS = jwt.PyJWS(algorithms=[])
JWS.register_algorithm(ALGORITHM, Ed25519())
