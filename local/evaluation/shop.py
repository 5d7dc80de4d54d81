"""What the conversations need of a shop: accounts, conversations, and control of the model."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sample.client import Json

type Frame = dict[str, Any]

ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}


class Chat(Protocol):
    """A conversation of one account with the assistant."""

    def say(self, text: str) -> Iterable[Frame]:
        """Send a message; return the frames of the answer up to `done` or `error`."""

    def confirm(self, message_id: str, *, accept: bool) -> Iterable[Frame]:
        """Accept or decline the proposal of a message; return the frames of the outcome."""


class Account(Protocol):
    """A customer or seller of the shop."""

    @property
    def id(self) -> str: ...

    def chat(self) -> AbstractContextManager[Chat]:
        """Open a connection to the assistant."""

    def count_cart_units(self) -> int:
        """Return the number of units in the cart."""

    def list_orders(self) -> dict[str, Json]:
        """Return the status and address of each order by its id."""

    def list_stock(self) -> dict[str, int]:
        """Return the stock of each own product by its id."""

    def create_product(self, title: str, description: str, price: float) -> str:
        """Put a product on sale; return its id."""

    def rename_product(self, product_id: str, title: str) -> None:
        """Change the title of an own product."""

    def add_address(self) -> None:
        """Save ADDRESS."""

    def fill_cart(self, product_id: str, quantity: int = 2) -> None:
        """Put units of a product in the cart."""

    def place_order(self, product_id: str, street: str = ADDRESS["street"]) -> str:
        """Order one unit of a product to this street of ADDRESS; return the order's id."""

    def pay(self, order_id: str) -> None:
        """Pay an order, and wait until it is confirmed."""

    def ship(self, order_id: str, tracking_number: str | None = None) -> None:
        """Mark an order with own products as shipped."""

    def wait_for_sale(self) -> None:
        """Wait until the dashboard has one sale, which is paid."""


class Shop(Protocol):
    """A shop with an assistant."""

    concurrency: int
    """How many conversations may run at the same time."""

    def create_account(
        self, role: str, first_name: str = "Asha", last_name: str = "Rao"
    ) -> Account:
        """Register an account and sign in."""

    def make_model_obey(self, about: str) -> None:
        """Let the simulated model obey all texts in conversations that contain this word."""

    def make_model_resist(self, about: str) -> None:
        """End `make_model_obey`."""
