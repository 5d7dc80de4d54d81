"""The catalogue's HTTP Lambdas."""

from product import wiring
from product.forms import FORM, MAX_FORM_BYTES, read
from product.model import Filters, Selection
from product.schemas import (
    ChangeStockRequest,
    CreateProductRequest,
    ListProductsQuery,
    ProductChangedResponse,
    ProductListResponse,
    ProductResponse,
    UpdateProductRequest,
)
from supermarket.caller import Caller, Role
from supermarket.errors import BadGateway
from supermarket.http import JSON, delete, get, patch, post
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.schemas import Message, Page
from supermarket.wiring import cursors

SELLERS = {Role.SELLER, Role.ADMIN}

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
)
def create_product(request: Request, caller: Caller) -> ProductChangedResponse:
    """Create a product with up to five pictures."""
    sent, pictures = read(request, CreateProductRequest)
    product = wiring.product_service().create(sent.draft(), pictures, caller)
    return ProductChangedResponse.of("Product created", product)


@get("/api/products", cache_control=BRIEFLY)
def list_products(query: ListProductsQuery) -> ProductListResponse:
    """List products by age or price, or search by words."""
    return _list(query.selection(), query, query.purpose())


@get("/api/products/seller", roles={Role.SELLER})
def list_own_products(page: Page, caller: Caller) -> ProductListResponse:
    """List the caller's own products, also sold-out ones."""
    own = Selection(Filters(seller_id=caller.user_id))
    return _list(own, page, f"products of {caller.user_id}")


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
)
def update_product(productId: str, request: Request, caller: Caller) -> ProductChangedResponse:
    """Change fields of a product, add and remove pictures."""
    sent, pictures = read(request, UpdateProductRequest)
    product = wiring.product_service().update(productId, sent.changes(), pictures, caller)
    return ProductChangedResponse.of("Product changed", product)


@delete("/api/products/{productId}", roles=SELLERS)
def delete_product(productId: str, caller: Caller) -> Message:
    """Delete a product; past orders keep their copy."""
    wiring.product_service().delete(productId, caller)
    return Message(message="Product deleted")


@patch("/api/products/{productId}/stock", roles=SELLERS)
def change_stock(productId: str, body: ChangeStockRequest, caller: Caller) -> ProductResponse:
    """Set the counted stock, or add to it."""
    product = wiring.product_service().change_stock(productId, body.change(), caller)
    return ProductResponse.of(product)


def _list(selection: Selection, page: Page, purpose: str) -> ProductListResponse:
    position = cursors().decode(page.cursor, purpose)
    found = wiring.product_service().list_products(selection, position, page.limit)
    cursor = cursors().encode(found.next, purpose)
    return ProductListResponse.model_validate({"products": found.products, "next_cursor": cursor})


prepare(__name__)
