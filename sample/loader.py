"""Loads the sample shop into a running shop through its public HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from sample.catalogue import Account, Catalogue, Category, Product, read
from sample.client import UnexpectedResponse, UserSession, connect, request_json

COLUMNS = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@dataclass(frozen=True)
class Loaded:
    """What a run has created and what it has found."""

    accounts_created: int
    products_created: int
    products_found: int


def load(
    api_base_url: str,
    progress: Progress | None = None,
    *,
    catalogue: Catalogue | None = None,
    workers: int = 4,
) -> Loaded:
    """Create the sample accounts, addresses and products that the shop does not have yet.

    Stops at the first refusal and raises its `UnexpectedResponse`; another run continues.
    """
    with (
        connect(api_base_url) as client,
        nullcontext(progress) if progress else Progress(*COLUMNS) as shown,
        ThreadPoolExecutor(workers) as pool,
    ):
        return _Loader(client, shown, pool, catalogue or read()).run()


@dataclass
class _Loader:
    _client: httpx.Client
    _progress: Progress
    _pool: ThreadPoolExecutor
    _catalogue: Catalogue
    _sessions: dict[str, UserSession] = field(default_factory=dict)

    def run(self) -> Loaded:
        accounts = [self._pool.submit(self._create_account, a) for a in self._catalogue.accounts]
        accounts_created = self._count_created("sample accounts", accounts)
        found = {
            (seller.username, title)
            for seller in self._catalogue.sellers
            for title in self._list_titles(seller)
        }
        products = [
            self._pool.submit(self._create_product, product, category)
            for category in self._catalogue.categories
            for product in category.products
            if (product.seller, product.title) not in found
        ]
        created = self._count_created("sample products", products)
        return Loaded(accounts_created, created, len(self._catalogue.products) - created)

    def _count_created(self, description: str, work: list[Future[bool]]) -> int:
        """Count the results that are true; the first failure cancels the rest and is raised."""
        try:
            done = self._progress.track(as_completed(work), len(work), description=description)
            return sum(future.result() for future in done)
        except BaseException:
            self._pool.shutdown(cancel_futures=True)
            raise

    def _create_account(self, account: Account) -> bool:
        """Register the account unless it exists, sign in, and add its address unless it has one."""
        created = self._register(account)
        session = UserSession(self._client, account.email, account.password)
        session.sign_in()
        self._sessions[account.username] = session
        if account.address:
            path = "/api/auth/users/me/address"
            if not session.request("GET", path)["addresses"]:
                address = account.address.model_dump()
                session.request("POST", path, expect=HTTPStatus.CREATED, json=address)
        return created

    def _register(self, account: Account) -> bool:
        body = {
            "username": account.username,
            "email": account.email,
            "password": account.password,
            "fullName": {"firstName": account.first_name, "lastName": account.last_name},
            "role": account.role,
        }
        path, created = "/api/auth/register", HTTPStatus.CREATED
        try:
            request_json(self._client, "POST", path, expect=created, json=body)
        except UnexpectedResponse as refused:
            # If the name belongs to another person, the sign-in that follows fails.
            if refused.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    def _list_titles(self, seller: Account) -> Iterator[str]:
        """List the titles of all products of a seller, sold-out ones included."""
        query: dict[str, Any] = {"limit": 100}
        while True:
            session = self._sessions[seller.username]
            page = session.request("GET", "/api/products/seller", params=query)
            yield from (product["title"] for product in page["products"])
            if not page["nextCursor"]:
                return
            query["cursor"] = page["nextCursor"]

    def _create_product(self, product: Product, category: Category) -> bool:
        picture = (product.picture.name, product.picture.read_bytes(), "image/webp")
        data = {
            "title": product.title,
            "description": product.description,
            "priceAmount": str(product.price),
            "priceCurrency": "INR",
            "stock": str(product.stock),
            "category": category.slug,
        }
        form = {"data": data, "files": [("images", picture)], "expect": HTTPStatus.CREATED}
        self._sessions[product.seller].request("POST", "/api/products", **form)
        return True
