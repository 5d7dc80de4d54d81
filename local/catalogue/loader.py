"""Fills a running shop with the sample catalogue through its public HTTP API, as people would."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local.catalogue import pictures, sample
from local.catalogue.model import Account, Catalogue, Category, Product
from local.client import UnexpectedAnswer, Visitor, ask, connect


@dataclass(frozen=True)
class Loaded:
    """What a run has done."""

    accounts_created: int
    products_created: int
    products_already_there: int


def load(
    api_base_url: str,
    progress: Progress | None = None,
    *,
    catalogue: Catalogue | None = None,
    workers: int = 4,
    kept_pictures: Path | None = None,
) -> Loaded:
    """Makes the sample accounts, addresses and products that are not there yet.

    `kept_pictures` is a folder that keeps the drawn pictures for the next run. The first refusal
    of the API ends the run with its message; what was made stays, and another run goes on.
    """
    with (
        connect(api_base_url) as client,
        nullcontext(progress) if progress else _progress() as shown,
        ThreadPoolExecutor(workers) as pool,
    ):
        loading = _Loading(client, shown, pool, catalogue or sample.read(), kept_pictures)
        return loading.run()


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )


class _Loading:
    def __init__(
        self,
        client: httpx.Client,
        progress: Progress,
        pool: ThreadPoolExecutor,
        catalogue: Catalogue,
        kept_pictures: Path | None,
    ) -> None:
        self._client = client
        self._progress = progress
        self._pool = pool
        self._catalogue = catalogue
        self._kept_pictures = kept_pictures
        self._visitors: dict[str, Visitor] = {}

    def run(self) -> Loaded:
        welcomed = [self._pool.submit(self._welcome, who) for who in self._catalogue.accounts]
        accounts_created = self._all_done("sample accounts", welcomed)
        there = {
            (seller.username, title)
            for seller in self._catalogue.sellers
            for title in self._titles_of(seller)
        }
        missing = [
            (product, category)
            for category in self._catalogue.categories
            for product in category.products
            if (product.seller, product.title) not in there
        ]
        offered = [self._pool.submit(self._offer, *pair) for pair in missing]
        products_created = self._all_done("sample products", offered)
        return Loaded(
            accounts_created,
            products_created,
            len(self._catalogue.products) - products_created,
        )

    def _all_done(self, what: str, work: list[Future[bool]]) -> int:
        """How many of them made something; the first failure stops the rest and is raised."""
        try:
            done = self._progress.track(as_completed(work), total=len(work), description=what)
            return sum(future.result() for future in done)
        except BaseException:
            self._pool.shutdown(cancel_futures=True)
            raise

    def _welcome(self, account: Account) -> bool:
        """Registers somebody unless they are there, and signs them in."""
        created = self._register(account)
        visitor = Visitor(self._client, account.email, account.password)
        visitor.sign_in()
        self._visitors[account.username] = visitor
        if account.address:
            _settle(visitor, account)
        return created

    def _register(self, account: Account) -> bool:
        body = {
            "username": account.username,
            "email": account.email,
            "password": account.password,
            "fullName": {"firstName": account.first_name, "lastName": account.last_name},
            "role": account.role,
        }
        try:
            created = HTTPStatus.CREATED
            ask(self._client, "POST", "/api/auth/register", expect=created, json=body)
        except UnexpectedAnswer as refused:
            # A name taken by somebody else shows at once: the sample password won't sign them in.
            if refused.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    def _titles_of(self, seller: Account) -> Iterable[str]:
        """What the seller already offers, sold out or not."""
        query: dict[str, Any] = {"limit": 100}
        while True:
            visitor = self._visitors[seller.username]
            page = visitor.ask("GET", "/api/products/seller", params=query)
            yield from (product["title"] for product in page["products"])
            if not page["nextCursor"]:
                return
            query["cursor"] = page["nextCursor"]

    def _offer(self, product: Product, category: Category) -> bool:
        picture = pictures.picture(product, category, self._kept_pictures)
        self._visitors[product.seller].ask(
            "POST",
            "/api/products",
            expect=HTTPStatus.CREATED,
            data={
                "title": product.title,
                "description": product.description,
                "priceAmount": str(product.price),
                "priceCurrency": "INR",
                "stock": str(product.stock),
                "category": category.slug,
            },
            files=[("images", ("card.jpg", picture, pictures.CONTENT_TYPE))],
        )
        return True


def _settle(visitor: Visitor, account: Account) -> None:
    """Gives a customer their address, once."""
    path = "/api/auth/users/me/address"
    if account.address and not visitor.ask("GET", path)["addresses"]:
        visitor.ask("POST", path, expect=HTTPStatus.CREATED, json=asdict(account.address))
