"""Search: an inverted index finds candidates, and the words of each candidate decide.

Entries without a product, or with a product that lost the word, cost a read and do no harm. So they
need no transaction: entries are added before the product is stored and removed after it. A change
that is not committed leaves a note of its words, for their removal.

A request reads windows of `WINDOW` entries of its words. The rarest of them, which is the one whose
window reaches furthest, has the candidates; those that another word's window lacks are left out.
Matches are sorted within a window; words with more entries are shown window by window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from product.model import Document, Page, Position, Product, Selection, Sort, Window
from product.ports import Entries, Products
from product.words import KeyRange, SearchQuery
from supermarket.transaction import Transaction

WINDOW = 300
ROUNDS = 12
ENOUGH_CANDIDATES = 600  # to read their products; one more round may add a window

type Rank = list[int | str]


@dataclass(frozen=True)
class SearchIndex:
    """Finds products by words."""

    entries: Entries
    products: Products

    def add(self, before: Product | None, after: Product, transaction: Transaction) -> None:
        """Add the words of `after` that `before` lacks, before `transaction` stores `after`."""
        if words := _words(after) - _words(before):
            self.entries.add(words, after, transaction)

    def remove(self, before: Product, after: Product | None) -> None:
        """Remove the words of `before` that `after` lacks; called after `after` is stored."""
        if after is None:
            self.entries.remove_all(_words(before), before)
        else:
            self.entries.remove_outdated(_words(before) - _words(after), before)

    def undo_pending(self, moment: datetime, has_time: Callable[[], bool]) -> int:
        """Remove the words of changes that began up to `moment`, long ago, and were not committed;
        returns how many changes that were.
        """
        number = 0
        for change in self.entries.list_pending(moment):
            if not has_time():
                break
            documents = self.products.documents([change.product_id])
            kept = {word for document in documents for word in document.words}
            self.entries.undo(change, change.words - kept)
            number += 1
        return number

    def search(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """Return a page of the products that contain all words of the selection's text."""
        query = SearchQuery.of(selection.text)
        if not query.terms:
            return Page((), None)
        window, last = (after["window"], after["last"]) if after else (None, None)
        read = 0
        for _ in range(ROUNDS):
            candidates = self._candidates(query, window)
            matches = [
                (rank, product)
                for rank, product in self._matches(query, selection, candidates)
                if last is None or rank > last
            ]
            shown = tuple(product for _, product in matches[:limit])
            if len(matches) > limit:
                return Page(shown, {"window": window, "last": matches[limit - 1][0]})
            window, last = candidates.next, None
            read += len(candidates.entries)
            if shown or window is None or read >= ENOUGH_CANDIDATES:
                break
        return Page(shown, None if window is None else {"window": window, "last": None})

    def _candidates(self, query: SearchQuery, start: str | None) -> Window:
        """Return the entries, from a place on, of products that may have all words."""
        ranges = query.key_ranges
        words = [key_range for key_range in ranges if key_range.exact]
        if start is not None and words:  # then it is a product, and a prefix is not sorted by it
            ranges = tuple(words)
        windows = self.entries.windows(ranges, start, WINDOW)
        whole = [window for window in windows if window.next is None]
        if whole:
            rarest = min(whole, key=lambda window: len(window.entries))
        else:
            windows = [each for each in windows if each.key_range.exact] or windows
            rarest = max(windows, key=lambda window: window.next or "")
            first = max(window.entries[0].product_id for window in windows)
            if any(first > (window.next or "") for window in windows if len(windows) > 1):
                return Window(rarest.key_range, (), first)
        others = [each for each in windows if each.key_range.exact and each is not rarest]
        entries = tuple(
            entry
            for entry in rarest.entries
            if all(other.may_have(entry.product_id) for other in others)
        )
        return Window(rarest.key_range, entries, rarest.next)

    def _matches(
        self, query: SearchQuery, selection: Selection, window: Window
    ) -> list[tuple[Rank, Product]]:
        candidates = self.products.documents({entry.product_id for entry in window.entries})
        entered = {(entry.word, entry.product_id) for entry in window.entries}
        return sorted(
            (
                (_rank(query, selection.sort, document), document.product)
                for document in candidates
                # of all entries of a product, in all windows, only the first one counts
                if (_first(window.key_range, document), document.product.id) in entered
                and query.is_in(document.words)
                and not document.product.is_hidden
                and selection.filters.matches(document.product)
            ),
            key=lambda match: match[0],
        )


def _words(product: Product | None) -> frozenset[str]:
    return frozenset() if product is None else Document.of(product).words


def _first(key_range: KeyRange, document: Document) -> str | None:
    return min(filter(key_range.contains, document.words), default=None)


def _rank(query: SearchQuery, sort: Sort, document: Document) -> Rank:
    """Return a sort key of numbers and text, which a cursor can hold."""
    product = document.product
    newest = -round(product.created_at.timestamp() * 1000)
    match sort:
        case Sort.CHEAPEST:
            return [product.price.minor, product.id]
        case Sort.DEAREST:
            return [-product.price.minor, product.id]
        case Sort.NEWEST:
            return [newest, product.id]
        case Sort.RELEVANCE:
            return [-query.count_matches(document.title_words), newest, product.id]
