"""The catalogue's HTTP Lambdas."""

from datetime import timedelta
from typing import Any

from product import wiring
from product.forms import FORM, MAX_FORM_BYTES, read
from product.model import Filters, Selection
from product.schemas import (
    ChangeStockRequest,
    CreateProductRequest,
    ListProductsQuery,
    OwnProductChangedResponse,
    OwnProductListResponse,
    OwnProductResponse,
    ProductListResponse,
    ProductResponse,
    StockHistoryResponse,
    UpdateProductRequest,
)
from supermarket.caller import Caller, Role
from supermarket.errors import BadGateway, Conflict
from supermarket.http import JSON, delete, get, patch, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.preconditions import IfMatch
from supermarket.rate_limits import RequestLimit
from supermarket.request import Request
from supermarket.retry import StaleWrite
from supermarket.schemas import Message, Page
from supermarket.wiring import cursors

SELLERS = {Role.SELLER, Role.ADMIN}
PRODUCTS = RequestLimit("products", timedelta(hours=1))  # with pictures

# prices and stock change; placing an order reads the present ones
BRIEFLY = "public, max-age=10"


@post(
    "/api/products",
    status=201,
    roles=SELLERS,
    accepts=(JSON, FORM),
    max_body=MAX_FORM_BYTES,
    reads=CreateProductRequest,
    errors=(BadGateway,),
    limit=PRODUCTS,
)
def create_product(
    request: Request, key: IdempotencyKey | None, caller: Caller
) -> OwnProductChangedResponse:
    """Create a product with up to five pictures."""
    sent, pictures = read(request, CreateProductRequest)
    product = wiring.product_service().create(sent.draft(), pictures, caller, key)
    return OwnProductChangedResponse.of("Product created", product)


@get("/api/products", cache_control=BRIEFLY)
def list_products(query: ListProductsQuery) -> ProductListResponse:
    """List products by age or price, or search by words."""
    found = _list(query.selection(), query, query.purpose())
    return ProductListResponse.model_validate(found)


@get("/api/products/seller", roles={Role.SELLER})
def list_own_products(page: Page, caller: Caller) -> OwnProductListResponse:
    """List the caller's own products, also sold-out ones."""
    own = Selection(Filters(seller_id=caller.user_id))
    found = _list(own, page, f"products of {caller.user_id}")
    return OwnProductListResponse.model_validate(found)


@get("/api/products/{productId}", cache_control=BRIEFLY)
def get_product(productId: str) -> ProductResponse:
    """Get a product."""
    return ProductResponse.of(wiring.product_service().get_product(productId))


@patch(
    "/api/products/{productId}",
    roles=SELLERS,
    accepts=(JSON, FORM),
    max_body=MAX_FORM_BYTES,
    reads=UpdateProductRequest,
    errors=(BadGateway,),
    limit=PRODUCTS,
)
def update_product(
    productId: str, request: Request, caller: Caller, if_match: IfMatch | None
) -> OwnProductChangedResponse:
    """Change fields of a product, add and remove pictures. The stock has a route of its own."""
    sent, pictures = read(request, UpdateProductRequest)
    product = wiring.product_service().update(productId, sent.changes(), pictures, caller, if_match)
    return OwnProductChangedResponse.of("Product changed", product)


@delete("/api/products/{productId}", roles=SELLERS)
def delete_product(productId: str, caller: Caller) -> Message:
    """Delete a product; past orders keep their copy."""
    wiring.product_service().delete(productId, caller)
    return Message(message="Product deleted")


@patch("/api/products/{productId}/stock", roles=SELLERS, errors=(Conflict, StaleWrite))
def change_stock(
    productId: str, body: ChangeStockRequest, caller: Caller, if_match: IfMatch | None
) -> OwnProductResponse:
    """Count what is on the shelf, reserved goods included, or add to it."""
    product = wiring.product_service().change_stock(productId, body.change(), caller, if_match)
    return OwnProductResponse.of(product)


@get("/api/products/{productId}/stock/history", roles=SELLERS)
def list_stock_movements(productId: str, page: Page, caller: Caller) -> StockHistoryResponse:
    """List how the stock of a product moved, newest first."""
    purpose = f"stock of {productId}"
    position = cursors().decode(page.cursor, purpose)
    before = position["before"] if position else None
    found = wiring.product_service().list_stock_movements(productId, caller, before, page.limit)
    following = {"before": found.next_before} if found.next_before else None
    return StockHistoryResponse.model_validate(
        {"movements": found.movements, "next_cursor": cursors().encode(following, purpose)}
    )


def _list(selection: Selection, page: Page, purpose: str) -> dict[str, Any]:
    position = cursors().decode(page.cursor, purpose)
    found = wiring.product_service().list_products(selection, position, page.limit)
    return {"products": found.products, "next_cursor": cursors().encode(found.next, purpose)}


prepare(__name__)
