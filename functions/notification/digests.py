"""The use case of digests: one mail to a seller about all products of a period."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notification.model import (
    MAX_SUBJECT,
    Digest,
    DigestLine,
    DigestTopic,
    MailClass,
    greeting_name,
    one_line,
    safe_title,
)
from notification.ports import Digests, MailRejected
from notification.sending import Draft, Mailer
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import Metadata, ProductCreated, StockRanLow
from supermarket.errors import RetryLater

KIND = "seller_digest"
MAX_LINES = 200  # of one digest; more are only mentioned


@dataclass(frozen=True)
class DigestService:
    """Collects what sellers are notified of, and mails it when their digests are due."""

    mailer: Mailer
    digests: Digests
    period: timedelta
    clock: Clock

    def add(self, event: ProductCreated | StockRanLow, metadata: Metadata) -> None:
        """Add the event's product to its seller's digest, once however often it is delivered."""
        digest = Digest.of(event.seller, metadata.occurred_at, self.clock(), self.period)
        self.digests.add(digest, _line(event))

    def send_due(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Send the digests that are due at `until`; returns how many had each outcome. The next run
        sends what is postponed, failed, or found no time.
        """
        outcomes = Counter(sent=0, postponed=0, rejected=0, failed=0, unfinished=0)
        for page in self.digests.list_due(until):
            for digest in page:
                if not has_time():
                    return outcomes + Counter(unfinished=1)
                outcomes[self._try_send(digest)] += 1
        return outcomes

    def _try_send(self, digest: Digest) -> str:
        try:
            self.mailer.send(self._draft(digest))
        except RetryLater as early:
            telemetry.logger.warning("digest postponed", extra={"reason": str(early)})
            return "postponed"
        except MailRejected:
            # no dead letter: the dashboard shows the seller the same products
            telemetry.logger.exception("digest rejected")
            self.digests.remove(digest)
            return "rejected"
        except Exception:
            telemetry.logger.exception("digest failed", extra={"digest_id": digest.id})
            return "failed"
        self.digests.remove(digest)
        return "sent"

    def _draft(self, digest: Digest) -> Draft:
        lines = self.digests.list_lines(digest, MAX_LINES + 1)
        there_are_more = len(lines) > MAX_LINES
        shown = [replace(line, title=safe_title(line.title)) for line in lines[:MAX_LINES]]
        low = [line for line in shown if line.topic is DigestTopic.LOW_STOCK]
        listed = [line for line in shown if line.topic is DigestTopic.ON_SALE]
        correlation_id = telemetry.correlation_id()
        return Draft(
            id=f"{digest.id}.{KIND}",
            kind=KIND,
            mail_class=MailClass.BULK,
            recipient=digest.seller,
            subject=one_line(_subject(low, listed, there_are_more), MAX_SUBJECT),
            correlation_id=correlation_id,
            facts={
                "low_stock": low,
                "listed": listed,
                "there_are_more": there_are_more,
                "name": greeting_name(digest.seller),
                "correlation_id": correlation_id,
            },
        )


def _line(event: ProductCreated | StockRanLow) -> DigestLine:
    product_id, title, stock = event.product_id, event.title, event.stock
    if isinstance(event, StockRanLow):
        return DigestLine(DigestTopic.LOW_STOCK, product_id, title, stock, event.stock_revision)
    price = event.price.money()
    return DigestLine(DigestTopic.ON_SALE, product_id, title, stock, event.revision, price)


def _subject(low: Sequence[DigestLine], listed: Sequence[DigestLine], there_are_more: bool) -> str:
    """Return the subject: the product's title if there is one product, else the numbers."""
    if there_are_more:
        return f"Your products: more than {MAX_LINES} changes"
    if len(low) + len(listed) == 1:
        [line] = [*low, *listed]
        if line.topic is DigestTopic.ON_SALE:
            return f"On sale: {line.title}"
        return f"{'Sold out' if line.stock == 0 else 'Running low'}: {line.title}"
    parts = [f"{len(low)} running low" if low else "", f"{len(listed)} on sale" if listed else ""]
    return f"Your products: {', '.join(filter(None, parts))}"
