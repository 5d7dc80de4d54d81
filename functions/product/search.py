"""Search: an inverted index finds candidates, and the words of each candidate decide.

Entries without a product, or with a product that lost the word, cost a read and do no harm. So they
need no transaction: entries are added before the product is stored and removed after it.

A request reads windows of `WINDOW` entries of its rarest word. Matches are sorted within a window;
a word with more entries is shown window by window.
"""

from dataclasses import dataclass

from product.model import Document, Entry, Page, Position, Product, Selection, Sort
from product.ports import Entries, Products
from product.words import KeyRange, SearchQuery

WINDOW = 300
WINDOWS = 3

type Rank = list[int | str]


@dataclass(frozen=True)
class SearchIndex:
    """Finds products by words."""

    entries: Entries
    products: Products

    def add(self, before: Product | None, after: Product) -> None:
        """Add the words of `after` that `before` lacks; called before `after` is stored."""
        self.entries.add(_words(after) - _words(before), after)

    def remove(self, before: Product, after: Product | None) -> None:
        """Remove the words of `before` that `after` lacks; called after `after` is stored."""
        if after is None:
            self.entries.remove_all(_words(before), before)
        else:
            self.entries.remove_outdated(_words(before) - _words(after), before)

    def search(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """Return a page of the products that contain all words of the selection's text."""
        query = SearchQuery.of(selection.text)
        if not query.terms:
            return Page((), None)
        window, last = (after["window"], after["last"]) if after else (None, None)
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
        candidates = self.products.documents({entry.product_id for entry in entries})
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
