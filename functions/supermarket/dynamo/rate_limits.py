"""Rate limits in DynamoDB."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from supermarket.clock import Clock
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.writes import update_if
from supermarket.rate_limits import Rate


class RateLimitRow(Row):
    """`rate#<name>#<subject>#<n>`: what was counted in the n-th period.

    DynamoDB deletes the row some time after `expires_at`.
    """

    Meta = table("idempotency")

    id = UnicodeAttribute(hash_key=True)
    counted = NumberAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoRateLimits:
    """`RateLimits` in DynamoDB: a row per subject and period, beside the idempotency keys."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def count(self, name: str, subject: str, rate: Rate) -> int | None:
        if not rate.number:
            return None
        now, seconds = int(self._clock().timestamp()), int(rate.period.total_seconds())
        # the key contains the period, since TTL deletes late
        row = RateLimitRow(f"rate#{name}#{subject}#{now // seconds}")
        ends = (now // seconds + 1) * seconds
        has_room = RateLimitRow.counted.does_not_exist() | (RateLimitRow.counted < rate.number)
        actions = [RateLimitRow.counted.add(1), RateLimitRow.expires_at.set(ends)]
        return None if update_if(row, actions, has_room) else ends - now
