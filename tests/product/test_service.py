"""The use cases of the catalogue, on ports in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.model import StockRequest
from inventory.service import LinesUnavailable
from product.model import Changes, Draft, Image, Product, Selection, Sort, StockChange
from product.pictures import Picture
from product.service import ATTEMPTS
from supermarket.caller import Caller, Role
from supermarket.clock import new_id, utc_now
from supermarket.contracts import (
    Amount,
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
)
from supermarket.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from supermarket.idempotency import IdempotencyKey
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.preconditions import IfMatch
from supermarket.retry import StaleWrite
from support.api import a_caller
from support.in_memory import Audited, InMemoryTransaction
from support.product import Shop, png

PICTURE = Picture.of(png())
DRAFT = Draft("Basmati rice", Money(49900, Currency.INR), "Long grains", stock=5, category="Rice")


class Clock:
    """A second passes at each call."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> object:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def shop() -> Shop:
    return Shop(Clock())  # type: ignore[arg-type]


@pytest.fixture
def seller() -> Caller:
    return a_caller(Role.SELLER)


def sell(shop: Shop, product: Product, quantity: int) -> str:
    """Reserve stock for an order; returns its id."""
    order_id = new_id()
    request = StockRequest(product.id, product.price, quantity)
    shop.inventory.service.commit_reserving(order_id, [request], shop.outbox.begin)
    return order_id


def meanwhile(shop: Shop, overtake: Callable[[], object]) -> None:
    """Have `overtake` happen right after the next read of the stock."""
    shop.inventory.levels.meanwhile = overtake


def titles(shop: Shop, text: str = "") -> list[str]:
    sort = Sort.RELEVANCE if text else Sort.NEWEST
    page = shop.service.list_products(Selection(text=text, sort=sort), None, 10)
    return [product.title for product in page.products]


def test_a_new_product_is_listed_found_and_emits_an_event(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [PICTURE, PICTURE], seller)
    assert shop.service.get_product(product.id) == product
    assert (titles(shop), titles(shop, "basmati grain")) == (["Basmati rice"], ["Basmati rice"])
    assert [image.id for image in product.images] == list(shop.pictures.kept)
    assert shop.outbox.events == [
        ProductCreated(
            product_id=product.id,
            seller=Recipient(
                user_id=seller.user_id, email=seller.email, first_name=seller.first_name
            ),
            title="Basmati rice",
            price=Amount(minor=49900, currency=Currency.INR),
            stock=5,
            category="Rice",
            revision=1,
        )
    ]


def test_no_product_is_created_while_the_image_service_is_down(shop: Shop, seller: Caller) -> None:
    shop.pictures.is_down = True
    with pytest.raises(Unavailable):
        shop.service.create(DRAFT, [PICTURE], seller)
    assert titles(shop) == []
    assert shop.outbox.events == []
    assert shop.service.create(DRAFT, [], seller).images == ()


def fail() -> None:
    raise Unavailable("The database does not answer")


def test_uploaded_pictures_are_deleted_when_the_product_is_not_created(
    shop: Shop, seller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.entries, "add", lambda *_: fail())
    with pytest.raises(Unavailable):
        shop.service.create(DRAFT, [PICTURE], seller)
    assert shop.pictures.kept == {}


def test_an_outage_is_reported_as_such_even_if_pictures_cannot_be_discarded(
    shop: Shop, seller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_down(*_: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr(shop.entries, "add", lambda *_: fail())
    monkeypatch.setattr(shop.products, "find", is_down)
    monkeypatch.setattr(shop.products, "list_images", is_down)
    with pytest.raises(Unavailable, match="The database does not answer"):
        shop.service.create(DRAFT, [PICTURE], seller)
    assert len(shop.pictures.kept) == 1  # for the sweep


def test_pictures_stay_when_only_the_answer_of_the_commit_is_lost(
    shop: Shop, seller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = InMemoryTransaction.commit

    def commit_and_fail(transaction: InMemoryTransaction) -> None:
        commit(transaction)
        fail()

    monkeypatch.setattr(InMemoryTransaction, "commit", commit_and_fail)
    with pytest.raises(Unavailable):
        shop.service.create(DRAFT, [PICTURE], seller)
    (product,) = shop.service.list_products(Selection(), None, 10).products
    assert [image.id for image in product.images] == list(shop.pictures.kept)


@pytest.mark.parametrize("product_id", ["x", "", "01JD0000000000000000000000", "é" * 3000])
def test_missing_products_are_not_found(shop: Shop, seller: Caller, product_id: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: shop.service.get_product(product_id),
        lambda: shop.service.update(product_id, Changes(title="New"), [], seller),
        lambda: shop.service.change_stock(product_id, StockChange(counted=1), seller),
        lambda: shop.service.delete(product_id, seller),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert shop.service.find_many([product_id]) == {}


def test_another_seller_cannot_change_a_product(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    thief = a_caller(Role.SELLER)
    calls: list[Callable[[], object]] = [
        lambda: shop.service.update(product.id, Changes(title="Mine"), [PICTURE], thief),
        lambda: shop.service.change_stock(product.id, StockChange(counted=0), thief),
        lambda: shop.service.delete(product.id, thief),
    ]
    for call in calls:
        with pytest.raises(Forbidden):
            call()
    assert shop.service.get_product(product.id) == product
    assert shop.pictures.kept == {}
    assert len(shop.outbox.events) == 1


@pytest.mark.parametrize("role", [Role.SELLER, Role.ADMIN])
def test_a_change_is_visible_found_and_emits_an_event(
    shop: Shop, seller: Caller, role: Role
) -> None:
    product = shop.service.create(DRAFT, [PICTURE], seller)
    editor = seller if role is Role.SELLER else a_caller(role)
    changes = Changes(
        title="Brown rice", price_amount=Decimal(2), remove_images=(product.images[0].id,)
    )
    changed = shop.service.update(product.id, changes, [PICTURE, PICTURE], editor)
    found = shop.service.get_product(product.id)
    assert replace(found, stock_revision=changed.stock_revision) == changed
    assert changed.updated_at > product.updated_at
    assert (changed.price.minor, changed.stock, len(changed.images)) == (200, 5, 2)
    assert [image.id for image in changed.images] == list(shop.pictures.kept)
    assert (titles(shop, "basmati"), titles(shop, "brown")) == ([], ["Brown rice"])
    assert "basmati" not in {entry.word for entry in shop.entries.entries}
    (event,) = shop.outbox.of(ProductUpdated)
    assert isinstance(event, ProductUpdated)
    assert (event.title, event.price.minor, event.stock, event.revision) == (
        "Brown rice",
        200,
        5,
        2,
    )
    assert event.seller.user_id == seller.user_id


def test_changes_by_an_admin_are_audited(shop: Shop, seller: Caller) -> None:
    admin = a_caller(Role.ADMIN)
    product = shop.service.create(DRAFT, [PICTURE], seller)
    picture = product.images[0].id
    changes = Changes(title="Brown rice", price_amount=Decimal(2), remove_images=(picture,))
    shop.service.update(product.id, changes, [], admin)
    shop.service.change_stock(product.id, StockChange(added=-3), admin)
    shop.service.delete(product.id, admin)
    put_on_sale: dict[str, str | int | None] = {
        "title": "Basmati rice",
        "description": "Long grains",
        "minor": 49900,
        "currency": "INR",
        "onHand": 5,
        "category": "Rice",
        "lowStockThreshold": None,
        "images": picture,
        "revision": 1,
    }
    changed = put_on_sale | {"title": "Brown rice", "minor": 200, "images": "", "revision": 2}
    with_stock = changed | {"onHand": 2}
    subject = f"product#{product.id}"
    assert shop.audit.entries == [
        Audited(subject, "product changed", admin.user_id, put_on_sale, changed),
        Audited(subject, "product restocked", admin.user_id, changed, with_stock),
        Audited(subject, "product withdrawn", admin.user_id, with_stock, {}),
    ]


def test_changes_by_the_seller_are_not_audited(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    shop.service.update(product.id, Changes(title="Brown rice"), [], seller)
    shop.service.change_stock(product.id, StockChange(counted=1), seller)
    shop.service.delete(product.id, seller)
    assert shop.audit.entries == []


def test_a_failed_change_by_an_admin_is_not_audited(shop: Shop, seller: Caller) -> None:
    product, admin = shop.service.create(DRAFT, [], seller), a_caller(Role.ADMIN)

    def count() -> None:
        shop.service.change_stock(product.id, StockChange(counted=7), seller)

    shop.inventory.levels.meanwhile = lambda: meanwhile(shop, count)
    shop.service.change_stock(product.id, StockChange(counted=9), admin)
    (entry,) = shop.audit.entries
    assert (entry.before["onHand"], entry.after["onHand"]) == (7, 9)
    shop.inventory.levels.meanwhile = lambda: meanwhile(shop, lambda: sell(shop, product, 8))
    with pytest.raises(Conflict, match="Only 1 in stock"):
        shop.service.change_stock(product.id, StockChange(added=-6), admin)
    assert shop.audit.entries == [entry]


def test_an_empty_change_is_refused(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    with pytest.raises(Invalid):
        shop.service.update(product.id, Changes(), [], seller)


def test_too_many_pictures_are_refused_before_any_is_uploaded(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [PICTURE] * 4, seller)
    shop.pictures.is_down = True
    with pytest.raises(Invalid):
        shop.service.update(product.id, Changes(), [PICTURE] * 2, seller)


def test_concurrent_changes_are_both_applied(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)

    def overtake() -> None:
        shop.service.update(product.id, Changes(description="Aged"), [], seller)

    # of the two reads before the write, the second one is overtaken
    shop.inventory.levels.meanwhile = lambda: meanwhile(shop, overtake)
    changed = shop.service.update(product.id, Changes(title="Brown rice"), [], seller)
    assert (changed.title, changed.description, changed.revision) == ("Brown rice", "Aged", 3)
    revisions = [event.revision for event in shop.outbox.of(ProductUpdated)]  # type: ignore[attr-defined]
    assert revisions == [2, 3]


def test_a_change_that_always_conflicts_is_a_conflict_and_leaves_no_picture(
    shop: Shop, seller: Caller
) -> None:
    product = shop.service.create(DRAFT, [], seller)
    tries = iter(range(2 * ATTEMPTS + 1))  # an attempt reads the stock twice

    def overtake() -> None:
        number = next(tries, None)
        if number is not None:
            shop.inventory.levels.meanwhile = lambda: None
            shop.service.update(product.id, Changes(category=f"Rice {number}"), [], seller)
            shop.inventory.levels.meanwhile = overtake

    shop.inventory.levels.meanwhile = overtake
    with pytest.raises(StaleWrite):
        shop.service.update(product.id, Changes(title="Late"), [PICTURE], seller)
    assert shop.pauses == list(range(ATTEMPTS - 1))
    assert shop.pictures.kept == {}
    assert shop.service.get_product(product.id).title == DRAFT.title


def test_a_deleted_product_is_not_found_but_accepts_released_stock(
    shop: Shop, seller: Caller
) -> None:
    product = shop.service.create(DRAFT, [PICTURE], seller)
    order_id = sell(shop, product, 2)
    shop.service.delete(product.id, seller)
    with pytest.raises(NotFound):
        shop.service.get_product(product.id)
    assert (titles(shop), titles(shop, "rice")) == ([], [])
    assert shop.service.find_many([product.id]) == {}
    assert shop.pictures.kept == {}
    assert shop.entries.entries == {}
    assert shop.outbox.of(ProductDeleted) == [
        ProductDeleted(product_id=product.id, seller_id=seller.user_id, revision=2)
    ]
    with pytest.raises(LinesUnavailable):
        sell(shop, product, 1)
    transaction = shop.outbox.begin()
    shop.inventory.service.release(order_id, transaction)
    transaction.commit()
    level = shop.inventory.service.get_level(product.id)
    assert (level.available, level.offer.is_on_sale) == (5, False)


def test_pictures_of_a_deleted_product_are_deleted_even_when_the_index_fails(
    shop: Shop, seller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("the index does not answer")

    product = shop.service.create(DRAFT, [PICTURE], seller)
    monkeypatch.setattr(type(shop.service.index), "remove", fail)
    with pytest.raises(Unavailable):
        shop.service.delete(product.id, seller)
    assert shop.pictures.kept == {}


def test_stock_cannot_become_negative(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    with pytest.raises(Conflict, match="Only 5"):
        shop.service.change_stock(product.id, StockChange(added=-6), seller)
    assert shop.service.get_product(product.id) == product


def test_a_sale_during_a_stock_change_is_not_lost(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)

    shop.inventory.levels.meanwhile = lambda: meanwhile(shop, lambda: sell(shop, product, 4))
    shop.service.change_stock(product.id, StockChange(added=-1), seller)
    assert shop.service.get_product(product.id).stock == 0


def test_the_product_form_does_not_write_the_stock(shop: Shop, seller: Caller) -> None:
    """Field case F04: stock 5, three are ordered, and the seller saves the form."""
    product = shop.service.create(DRAFT, [], seller)
    order_id = sell(shop, product, 3)
    changed = shop.service.update(product.id, Changes(title="Brown rice"), [], seller)
    assert (changed.on_hand, changed.reserved, changed.stock) == (5, 3, 2)
    shop.service.change_stock(product.id, StockChange(counted=5), seller)
    transaction = shop.outbox.begin()
    shop.inventory.service.release(order_id, transaction)
    transaction.commit()
    assert shop.service.get_product(product.id).stock == 5


def test_a_price_change_reaches_the_inventory_in_the_same_transaction(
    shop: Shop, seller: Caller
) -> None:
    product = shop.service.create(DRAFT, [], seller)
    shop.service.update(product.id, Changes(price_amount=Decimal(2)), [], seller)
    with pytest.raises(LinesUnavailable):
        sell(shop, product, 1)
    sell(shop, shop.service.get_product(product.id), 1)


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_change_of_another_version_is_refused_and_uploads_nothing(
    shop: Shop, seller: Caller, version: int
) -> None:
    product = shop.service.create(DRAFT, [], seller)
    other = IfMatch(version)
    with pytest.raises(PreconditionFailed):
        shop.service.update(product.id, Changes(title="New"), [PICTURE], seller, other)
    with pytest.raises(PreconditionFailed):
        shop.service.change_stock(product.id, StockChange(counted=1), seller, other)
    assert shop.service.get_product(product.id) == product
    assert shop.pictures.kept == {}


def test_a_change_of_the_present_version_is_applied_and_sales_do_not_matter(
    shop: Shop, seller: Caller
) -> None:
    product = shop.service.create(DRAFT, [], seller)
    sell(shop, product, 1)
    changes = Changes(title="New")
    first = shop.service.update(product.id, changes, [], seller, IfMatch(product.version))
    second = shop.service.change_stock(
        product.id, StockChange(counted=9), seller, IfMatch(first.version)
    )
    assert product.version < first.version < second.version
    for stale in (product.version, first.version):
        with pytest.raises(PreconditionFailed):
            shop.service.update(product.id, changes, [], seller, IfMatch(stale))


@pytest.mark.parametrize("change", [StockChange(counted=9), StockChange(added=4)])
def test_a_version_that_is_overtaken_before_the_commit_is_refused(
    shop: Shop, seller: Caller, change: StockChange
) -> None:
    product = shop.service.create(DRAFT, [], seller)

    def overtake() -> None:
        shop.service.change_stock(product.id, StockChange(added=1), seller)

    shop.inventory.levels.meanwhile = lambda: meanwhile(shop, overtake)
    with pytest.raises(PreconditionFailed):
        shop.service.change_stock(product.id, change, seller, IfMatch(product.version))
    assert shop.service.get_product(product.id).stock == 6


def test_the_owner_and_admins_see_how_the_stock_moved(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    order_id = sell(shop, product, 2)
    shop.service.change_stock(product.id, StockChange(counted=9), seller)
    shop.inventory.service.record(shop.inventory.levels.changes)
    for caller in (seller, a_caller(Role.ADMIN)):
        page = shop.service.list_stock_movements(product.id, caller, None, 2)
        first, second = page.movements
        assert (first.kind, first.on_hand, first.by) == ("COUNTED", 4, seller.user_id)
        assert (second.kind, second.reserved, second.by) == ("RESERVED", 2, order_id)
        rest = shop.service.list_stock_movements(product.id, caller, page.next_before, 2)
        assert [each.kind for each in rest.movements] == ["OPENED"]
        assert rest.next_before is None
    with pytest.raises(Forbidden):
        shop.service.list_stock_movements(product.id, a_caller(Role.SELLER), None, 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(-8, 8)), max_size=20))
def test_stock_equals_the_applied_changes(
    changes: list[tuple[bool, int]],
) -> None:
    shop, seller = Shop(utc_now), a_caller(Role.SELLER)
    product = shop.service.create(DRAFT, [], seller)
    stock, known = DRAFT.stock, [product]
    for counted, number in changes:
        term = abs(number) if counted else stock + number
        change = StockChange(counted=abs(number)) if counted else StockChange(added=number)
        if term < 0:
            with pytest.raises(Conflict):
                shop.service.change_stock(product.id, change, seller)
            continue
        stock = term
        known.append(shop.service.change_stock(product.id, change, seller))
    assert shop.service.get_product(product.id) == known[-1]
    assert (known[-1].stock, known[-1].on_hand, known[-1].reserved) == (stock, stock, 0)
    revisions = [each.stock_revision for each in known]
    assert revisions == list(range(len(known))), "each change is counted, for the stream"


KEY = IdempotencyKey.of("create_product", "seller", "key-1", b"{}")


def test_a_repeated_creation_uploads_no_picture(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [PICTURE], seller, KEY)
    kept = dict(shop.pictures.kept)
    assert shop.service.create(DRAFT, [PICTURE], seller, KEY) == product
    assert shop.pictures.kept == kept
    assert titles(shop) == ["Basmati rice"]


def test_two_creations_with_one_key_at_the_same_time_are_one(shop: Shop, seller: Caller) -> None:
    copies: list[Product] = []
    upload = shop.pictures.upload

    def overtaken(product_id: str, pictures: Sequence[Picture]) -> tuple[Image, ...]:
        if not copies:
            shop.pictures.upload = upload  # type: ignore[method-assign]
            copies.append(shop.service.create(DRAFT, [PICTURE], seller, KEY))
        return upload(product_id, pictures)

    shop.pictures.upload = overtaken  # type: ignore[method-assign]
    assert shop.service.create(DRAFT, [PICTURE], seller, KEY) == copies[0]
    assert [image.id for image in copies[0].images] == list(shop.pictures.kept)
    assert (titles(shop), len(shop.outbox.events)) == (["Basmati rice"], 1)
