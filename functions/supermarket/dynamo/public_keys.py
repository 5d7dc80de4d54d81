"""The public keys of access tokens in DynamoDB: one row, which few functions may write."""

from pynamodb.attributes import UnicodeAttribute, VersionAttribute

from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.public_keys import KeyRing, PublicKey

ACCESS_TOKENS = "access-tokens"


class KeyRow(Row):
    """`access-tokens`: the keys that verify them."""

    Meta = table("key")

    name = UnicodeAttribute(hash_key=True)
    keys = Mapped[tuple[PublicKey, ...]](tuple[PublicKey, ...])
    version = VersionAttribute()


def read_key_ring() -> KeyRing:
    """Return the keys, read strongly consistently."""
    row = KeyRow.find(ACCESS_TOKENS)
    return KeyRing(row.keys, row.version) if row else KeyRing()
