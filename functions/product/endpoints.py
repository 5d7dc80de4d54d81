"""The catalogue's HTTP Lambdas."""

from product import wiring
from product.forms import FORM, MAX_FORM_BYTES, read
from product.model import Filters, Selection
from product.schemas import (
    ChangeStock,
    CreateProduct,
    ListProducts,
    ProductAnswer,
    ProductChanged,
    ProductsAnswer,
    UpdateProduct,
)
from supermarket.caller import Caller, Role
from supermarket.http import JSON, delete, get, patch, post
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.schemas import Message, Page
from supermarket.wiring import cursors

SELLERS = {Role.SELLER, Role.ADMIN}

# prices and stock move, and placing an order looks at the truth anyway
BRIEFLY = "public, max-age=10"


@post(
    "/api/products",
    status=201,
    roles=SELLERS,
    accepts=(JSON, FORM),
    max_body=MAX_FORM_BYTES,
    reads=CreateProduct,
)
def create_product(request: Request, caller: Caller) -> ProductChanged:
    """Put a product on sale, with up to five pictures."""
    sent, pictures = read(request, CreateProduct)
    product = wiring.product_service().create(sent.draft(), pictures, caller)
    return ProductChanged.of("The product is on sale", product)


@get("/api/products", cache_control=BRIEFLY)
def list_products(query: ListProducts) -> ProductsAnswer:
    """Browse by age or price, or search by words."""
    position = cursors().decode(query.cursor, query.purpose())
    page = wiring.product_service().select(query.selection(), position, query.limit)
    return ProductsAnswer.of(page.products, cursors().encode(page.next, query.purpose()))


@get("/api/products/seller", roles={Role.SELLER})
def list_own_products(page: Page, caller: Caller) -> ProductsAnswer:
    """The caller's own products, sold-out ones too."""
    purpose = f"products of {caller.user_id}"
    own = Selection(Filters(seller_id=caller.user_id))
    position = cursors().decode(page.cursor, purpose)
    found = wiring.product_service().select(own, position, page.limit)
    return ProductsAnswer.of(found.products, cursors().encode(found.next, purpose))


@get("/api/products/{productId}", cache_control=BRIEFLY)
def get_product(productId: str) -> ProductAnswer:
    """One product."""
    return ProductAnswer.of(wiring.product_service().one(productId))


@patch(
    "/api/products/{productId}",
    roles=SELLERS,
    accepts=(JSON, FORM),
    max_body=MAX_FORM_BYTES,
    reads=UpdateProduct,
)
def update_product(productId: str, request: Request, caller: Caller) -> ProductChanged:
    """Change some fields of a product, add pictures to it, remove some."""
    sent, pictures = read(request, UpdateProduct)
    product = wiring.product_service().update(productId, sent.changes(), pictures, caller)
    return ProductChanged.of("The product was changed", product)


@delete("/api/products/{productId}", roles=SELLERS)
def delete_product(productId: str, caller: Caller) -> Message:
    """Take a product off sale for good."""
    wiring.product_service().delete(productId, caller)
    return Message(message="The product is no longer on sale")


@patch("/api/products/{productId}/stock", roles=SELLERS)
def change_stock(productId: str, body: ChangeStock, caller: Caller) -> ProductAnswer:
    """Count the stock anew, or move it."""
    product = wiring.product_service().change_stock(productId, body.change(), caller)
    return ProductAnswer.of(product)


prepare(__name__)
