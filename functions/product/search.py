"""Finding products by text: a row per word leads to candidates, and a candidate's own words decide.

Rows of the index that lead nowhere, or to a product that no longer has the word, cost a look and do
no harm. So they need no transaction: rows are written before the product is, and removed after.

A request looks at windows of `WINDOW` entries of its rarest word. Within a window matches are in
the order that was asked for; a word with more entries is shown window by window.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from product.model import Page, Position, Product, Selection, Sort
from product.words import Reach, Wish, findable

WINDOW = 300
WINDOWS = 3

type Rank = list[int | str]


@dataclass(frozen=True)
class Entry:
    """A word, and a product that has or had it."""

    word: str
    product_id: str


@dataclass(frozen=True)
class Document:
    """A product that is on sale, and the words it is found by."""

    product: Product
    words: frozenset[str]
    title_words: frozenset[str]

    @classmethod
    def of(cls, product: Product) -> "Document":
        title_words = findable(product.title)
        return cls(product, title_words | findable(product.description), title_words)


class Entries(Protocol):
    """The entries of the index, sorted by word and product."""

    def window(self, reach: Reach, after: str | None, limit: int) -> tuple[list[Entry], str | None]:
        """At most `limit` entries within `reach`, and where the next ones begin."""

    def add(self, words: Iterable[str], product: Product) -> None:
        """Enter the words of this revision of a product."""

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        """Remove the entries that no later revision than this one has entered again."""

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        """Remove the entries of a product that is gone for good."""


class Documents(Protocol):
    """The products that are on sale, with their words."""

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        """Those of the ids that are on sale."""


@dataclass(frozen=True)
class WordIndex:
    """The service's `Index`, on entries and documents."""

    entries: Entries
    documents: Documents

    def admit(self, before: Product | None, after: Product) -> None:
        self.entries.add(_words(after) - _words(before), after)

    def forget(self, before: Product, after: Product | None) -> None:
        if after is None:
            self.entries.remove_all(_words(before), before)
        else:
            self.entries.remove_outdated(_words(before) - _words(after), before)

    def page(self, selection: Selection, after: Position | None, limit: int) -> Page:
        wish = Wish.of(selection.text)
        if not wish.words:
            return Page((), None)
        position = after or {"window": None, "last": None}
        window, last = position["window"], position["last"]
        for _ in range(WINDOWS):
            entries, following = self.entries.window(wish.reach, window, WINDOW)
            matches = [
                (rank, product)
                for rank, product in self._matches(wish, selection, entries)
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
        self, wish: Wish, selection: Selection, entries: list[Entry]
    ) -> list[tuple[Rank, Product]]:
        candidates = self.documents.documents({entry.product_id for entry in entries})
        entered = {(entry.word, entry.product_id) for entry in entries}
        return sorted(
            (
                (_rank(wish, selection.sort, document), document.product)
                for document in candidates
                # of all entries of a product, in whatever windows, only the first one counts
                if (_first(wish.reach, document), document.product.id) in entered
                and wish.is_in(document.words)
                and selection.filters.admits(document.product)
            ),
            key=lambda match: match[0],
        )


def _words(product: Product | None) -> frozenset[str]:
    return frozenset() if product is None else Document.of(product).words


def _first(reach: Reach, document: Document) -> str | None:
    return min(filter(reach.covers, document.words), default=None)


def _rank(wish: Wish, sort: Sort, document: Document) -> Rank:
    """Sorts as a list; plain numbers and text, since it travels in a cursor."""
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
            return [-wish.matches_in(document.title_words), newest, product.id]
