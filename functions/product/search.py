"""Search: an inverted index finds candidates, and the words of each candidate decide.

Entries without a product, or with a product that lost the word, cost a read and do no harm. So they
need no transaction: entries are added before the product is stored and removed after it.

A request reads windows of `WINDOW` entries of its rarest word. Matches are sorted within a window;
a word with more entries is shown window by window.
"""

from dataclasses import dataclass

from product.model import Document, Entry, Page, Position, Product, Selection, Sort
from product.ports import Documents, Entries
from product.words import KeyRange, SearchQuery

WINDOW = 300
WINDOWS = 3

type Rank = list[int | str]


@dataclass(frozen=True)
class SearchIndex:
    """`Index` of the service, on entries and documents."""

    entries: Entries
    documents: Documents

    def add(self, before: Product | None, after: Product) -> None:
        self.entries.add(_words(after) - _words(before), after)

    def remove(self, before: Product, after: Product | None) -> None:
        if after is None:
            self.entries.remove_all(_words(before), before)
        else:
            self.entries.remove_outdated(_words(before) - _words(after), before)

    def search(self, selection: Selection, after: Position | None, limit: int) -> Page:
        query = SearchQuery.of(selection.text)
        if not query.terms:
            return Page((), None)
        position = after or {"window": None, "last": None}
        window, last = position["window"], position["last"]
        for _ in range(WINDOWS):
            entries, following = self.entries.window(query.key_range, window, WINDOW)
            matches = [
                (rank, product)
                for rank, product in self._matches(query, selection, entries)
                if last is None or rank > last
            ]
            shown = tuple(product for _, product in matches[:limit])
            if len(matches) > limit:
                return Page(shown, {"window": window, "last": matches[limit - 1][0]})
            window, last = following, None
            if shown or window is None:
                break
        return Page(shown, None if window is None else {"window": window, "last": None})

    def _matches(
        self, query: SearchQuery, selection: Selection, entries: list[Entry]
    ) -> list[tuple[Rank, Product]]:
        candidates = self.documents.documents({entry.product_id for entry in entries})
        entered = {(entry.word, entry.product_id) for entry in entries}
        return sorted(
            (
                (_rank(query, selection.sort, document), document.product)
                for document in candidates
                # of all entries of a product, in all windows, only the first one counts
                if (_first(query.key_range, document), document.product.id) in entered
                and query.is_in(document.words)
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
