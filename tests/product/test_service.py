"""The use cases of the catalogue, on ports in memory."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product.model import Changes, Draft, Product, Selection, Sort, StockChange
from product.pictures import Picture
from product.service import ATTEMPTS
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from supermarket.contracts import (
    Amount,
    Event,
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
)
from supermarket.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from supermarket.money import Currency, Money
from supermarket.people import Recipient
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
        title="Brown rice", price_amount=Decimal(2), stock=9, remove_images=(product.images[0].id,)
    )
    changed = shop.service.update(product.id, changes, [PICTURE, PICTURE], editor)
    assert shop.service.get_product(product.id) == changed
    assert changed.updated_at > product.updated_at
    assert (changed.price.minor, changed.stock, len(changed.images)) == (200, 9, 2)
    assert [image.id for image in changed.images] == list(shop.pictures.kept)
    assert (titles(shop, "basmati"), titles(shop, "brown")) == ([], ["Brown rice"])
    assert "basmati" not in {entry.word for entry in shop.entries.entries}
    (event,) = shop.outbox.of(ProductUpdated)
    assert isinstance(event, ProductUpdated)
    assert (event.title, event.price.minor, event.stock, event.revision) == (
        "Brown rice",
        200,
        9,
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
        "stock": 5,
        "category": "Rice",
        "lowStockThreshold": None,
        "images": picture,
        "revision": 1,
    }
    changed = put_on_sale | {"title": "Brown rice", "minor": 200, "images": "", "revision": 2}
    with_stock = changed | {"stock": 2, "revision": 3}
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

    def sell() -> None:
        transaction = shop.outbox.begin()
        shop.service.reserve_stock(product.id, product.price, 4, transaction, Conflict("sold out"))
        transaction.commit()

    def overtake() -> None:
        shop.service.update(product.id, Changes(description="Aged"), [], seller)

    shop.products.meanwhile = overtake
    shop.service.change_stock(product.id, StockChange(added=1), admin)
    (entry,) = shop.audit.entries
    assert (entry.before["revision"], entry.after["revision"]) == (2, 3)
    shop.products.meanwhile = sell
    with pytest.raises(Conflict):
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

    def meanwhile() -> None:
        shop.products.meanwhile = lambda: None
        shop.service.update(product.id, Changes(description="Aged"), [], seller)

    shop.products.meanwhile = lambda: setattr(shop.products, "meanwhile", meanwhile)
    changed = shop.service.update(product.id, Changes(title="Brown rice"), [], seller)
    assert (changed.title, changed.description, changed.revision) == ("Brown rice", "Aged", 3)
    revisions = [event.revision for event in shop.outbox.of(ProductUpdated)]  # type: ignore[attr-defined]
    assert revisions == [2, 3]


def test_a_change_that_always_conflicts_is_a_conflict_and_leaves_no_picture(
    shop: Shop, seller: Caller
) -> None:
    product = shop.service.create(DRAFT, [], seller)
    tries = iter(range(ATTEMPTS + 1))

    def overtake() -> None:
        number = next(tries, None)
        if number is not None:
            shop.products.meanwhile = lambda: None
            shop.service.change_stock(product.id, StockChange(counted=number), seller)
            shop.products.meanwhile = overtake

    shop.products.meanwhile = overtake
    with pytest.raises(StaleWrite):
        shop.service.update(product.id, Changes(title="Late"), [PICTURE], seller)
    assert shop.pauses == list(range(ATTEMPTS - 1))
    assert shop.pictures.kept == {}
    assert shop.service.get_product(product.id).title == DRAFT.title


def test_a_deleted_product_is_not_found_but_accepts_released_stock(
    shop: Shop, seller: Caller
) -> None:
    product = shop.service.create(DRAFT, [PICTURE], seller)
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
    transaction = shop.outbox.begin()
    shop.service.release_stock(product.id, 2, transaction)
    transaction.commit()
    assert shop.products.stock_of(product.id) == 7


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


def test_stock_is_reserved_in_the_transaction_of_an_order(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    on_conflict = Conflict("sold out")
    for quantity, left in ((5, 0), (1, 0)):
        transaction = shop.outbox.begin()
        shop.service.reserve_stock(product.id, product.price, quantity, transaction, on_conflict)
        if quantity == 5:
            transaction.commit()
        else:
            with pytest.raises(Conflict, match="sold out"):
                transaction.commit()
        assert shop.service.get_product(product.id).stock == left


def test_stock_cannot_become_negative(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)
    with pytest.raises(Conflict, match="Only 5"):
        shop.service.change_stock(product.id, StockChange(added=-6), seller)
    assert shop.service.get_product(product.id) == product


def test_a_sale_during_a_stock_change_is_not_lost(shop: Shop, seller: Caller) -> None:
    product = shop.service.create(DRAFT, [], seller)

    def sell() -> None:
        transaction = shop.outbox.begin()
        shop.service.reserve_stock(product.id, product.price, 4, transaction, Conflict("sold out"))
        transaction.commit()

    shop.products.meanwhile = sell
    shop.service.change_stock(product.id, StockChange(added=-1), seller)
    assert shop.service.get_product(product.id).stock == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(-8, 8)), max_size=20))
def test_stock_equals_the_applied_changes_and_each_emits_an_event(
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
    assert known[-1].stock == stock
    assert announced(shop.outbox.of(ProductUpdated)) == shown(known[1:])


def announced(events: list[Event]) -> list[tuple[int, int]]:
    return [(each.revision, each.stock) for each in events if isinstance(each, ProductUpdated)]


def shown(products: list[Product]) -> list[tuple[int, int]]:
    return [(product.revision, product.stock) for product in products]
