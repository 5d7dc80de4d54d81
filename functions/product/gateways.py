"""Pictures at ImageKit, through its official SDK, and the stock of the inventory."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from inventory.model import BucketChange, Offer, StockLevel
from inventory.service import InventoryService
from product.model import (
    MAX_IMAGES,
    Availability,
    Image,
    MovementPage,
    Product,
    ShownLevel,
    StockChange,
    StockMovement,
    StoredPicture,
)
from supermarket import telemetry
from supermarket.clock import NewId, is_id
from supermarket.dynamo.read_ahead import reading_ahead
from supermarket.errors import BadGateway, Unavailable
from supermarket.streams import Change
from supermarket.transaction import Transaction

if TYPE_CHECKING:
    from imagekitio import ImageKit
    from imagekitio.types.asset_list_response import AssetListResponseItem

    from product.pictures import Picture

BUSY = 429

DOWN = "The image service does not answer. Nothing was changed; try again."
INVALID_RESPONSE = "The image service answered with an error. Nothing was changed."


class InventoryStock:
    """`Stock` of the inventory domain."""

    def __init__(self, inventory: InventoryService) -> None:
        self._inventory = inventory

    @contextmanager
    def reading(self, product_ids: Iterable[str]) -> Iterator[None]:
        with reading_ahead():
            self._inventory.plan(product_ids)
            yield

    def fill(self, products: Iterable[Product]) -> list[Product]:
        return _with_levels(products, self._inventory.find_many)

    def fill_list(self, products: Iterable[Product]) -> list[Product]:
        return _with_levels(products, self._inventory.find_totals)

    def open(self, product: Product, transaction: Transaction) -> None:
        self._inventory.open(
            product.id, product.stock, _offer(product), product.seller.user_id, transaction
        )

    def change_offer(
        self, product: Product, changed_by: str, transaction: Transaction, *, on_sale: bool = True
    ) -> None:
        offer = replace(_offer(product), is_on_sale=on_sale)
        self._inventory.change_offer(product.id, offer, changed_by, transaction)

    def change(
        self,
        product: Product,
        change: StockChange,
        changed_by: str,
        transaction: Transaction,
        *,
        same_shelf: bool,
    ) -> None:
        if change.counted is None:
            self._inventory.add(
                product.id, change.added, changed_by, transaction, same_shelf=same_shelf
            )
        else:
            self._inventory.count(product.id, change.counted, changed_by, transaction)

    def list_movements(self, product_id: str, before: str | None, limit: int) -> MovementPage:
        page = self._inventory.list_movements(product_id, before, limit)
        movements = tuple(
            StockMovement(each.id, each.kind, each.on_hand, each.reserved, each.by, each.at)
            for each in page.movements
        )
        return MovementPage(movements, page.next_before)


class StockMonitor:
    """Follows the changes that the stream of the inventory's table delivers: in order for each
    product, some twice. `parse` returns the change of a bucket that a stream record describes.
    """

    def __init__(
        self, inventory: InventoryService, parse: Callable[[Change], BucketChange]
    ) -> None:
        self._inventory = inventory
        self._parse = parse

    def record(self, changes: Iterable[Change]) -> None:
        """Write the history, except for changes that `level_to_show` cannot parse either."""
        self._inventory.record([read for change in changes for read in self._parsed(change)])

    def by_product(self, changes: Iterable[Change]) -> Iterable[Sequence[Change]]:
        """Return the changes of each product, in their order."""
        groups: defaultdict[str, list[Change]] = defaultdict(list)
        for change in changes:
            groups[change.keys["subject"]["S"]].append(change)
        return groups.values()

    def request_of(self, changes: Sequence[Change]) -> str:
        """Return the id of the request that made the last change."""
        return self._parse(changes[-1]).cause.request

    def level_to_show(self, changes: Sequence[Change]) -> ShownLevel | None:
        """Return the level after changes of one product, if lists or listeners need it."""
        read = [self._parse(change) for change in changes]
        level = self._inventory.changed_level(read)
        if level is None:
            return None
        availability = Availability(level.available > 0, level.is_low, level.changes)
        by_seller = any(change.is_by_seller for change in read)
        return ShownLevel(level.product_id, level.available, availability, by_seller)

    def _parsed(self, change: Change) -> Iterator[BucketChange]:
        with suppress(Exception):
            yield self._parse(change)


def _offer(product: Product) -> Offer:
    return Offer(product.price, product.low_stock_threshold)


def _with_levels(
    products: Iterable[Product], find: Callable[[Iterable[str]], Mapping[str, StockLevel]]
) -> list[Product]:
    found = list(products)
    levels = find([product.id for product in found])
    return [_with_level(product, levels[product.id]) for product in found]


def _with_level(product: Product, level: StockLevel) -> Product:
    return replace(
        product,
        stock=level.available,
        on_hand=level.on_hand,
        reserved=level.reserved,
        stock_revision=level.changes,
        shelf_revision=level.shelf_changes,
    )


class ImageKitPictures:
    """`Pictures` in a folder at ImageKit. The client is made at the first call, since its import is
    slow and most requests need none.
    """

    def __init__(self, client: Callable[[], "ImageKit"], new_id: NewId, folder: str) -> None:
        self._client = client
        self._new_id = new_id
        self._folder = folder

    def upload(self, product_id: str, pictures: "Sequence[Picture]") -> tuple[Image, ...]:
        client = self._client()
        with ThreadPoolExecutor(MAX_IMAGES) as pool:
            uploads = [pool.submit(self._upload, client, product_id, each) for each in pictures]
        failure = next((fault for upload in uploads if (fault := upload.exception())), None)
        if failure is not None:
            self.discard(_succeeded(uploads))
            raise failure
        return tuple(_succeeded(uploads))

    def discard(self, images: Sequence[Image]) -> Sequence[Image]:
        if not images:
            return ()
        client = self._client()
        with ThreadPoolExecutor(MAX_IMAGES) as pool:
            deleted = pool.map(lambda image: _delete(client, image), images)
            return [image for image, done in zip(images, deleted, strict=True) if not done]

    def list_oldest(self, skip: int, limit: int) -> Sequence[StoredPicture]:
        with _mapped_errors():
            found = self._client().assets.list(
                path=self._folder, type="file", sort="ASC_CREATED", skip=skip, limit=limit
            )
            return [_stored(each) for each in found]

    def _upload(self, client: "ImageKit", product_id: str, picture: "Picture") -> Image:
        with _mapped_errors():
            stored = client.files.upload(
                file=picture.content,
                # a name chosen here, so that a repeated attempt replaces the first
                file_name=f"{product_id}-{self._new_id()}.{picture.type}",
                use_unique_file_name=False,
                folder=self._folder,
            )
            # the SDK does not check the response
            if not getattr(stored, "file_id", None) or not getattr(stored, "url", None):
                raise BadGateway(INVALID_RESPONSE)
        return Image(str(stored.url), str(stored.thumbnail_url or stored.url), str(stored.file_id))


def _succeeded(uploads: Sequence[Future[Image]]) -> list[Image]:
    return [upload.result() for upload in uploads if upload.exception() is None]


def _stored(file: "AssetListResponseItem") -> StoredPicture:
    # the SDK does not check the response
    created_at, file_id = file.created_at, getattr(file, "file_id", None)
    if created_at is None or not file_id:
        raise BadGateway(INVALID_RESPONSE)
    product_id, _, _ = str(file.name).partition("-")
    image = Image("", "", str(file_id))
    return StoredPicture(image, product_id if is_id(product_id) else None, created_at)


def _delete(client: "ImageKit", image: Image) -> bool:
    """Delete a picture; returns whether it is deleted. A failure is logged, not raised."""
    from imagekitio import ImageKitError, NotFoundError

    try:
        client.files.delete(image.id)
    except NotFoundError:
        pass
    except ImageKitError:
        telemetry.logger.exception("picture not deleted", extra={"image_id": image.id})
        telemetry.count("PicturesNotDeleted")
        return False
    return True


@contextmanager
def _mapped_errors() -> Iterator[None]:
    from imagekitio import APIConnectionError, APIStatusError, ImageKitError

    try:
        yield
    except APIConnectionError as failure:
        raise Unavailable(DOWN) from failure
    except APIStatusError as failure:
        if failure.status_code == BUSY or failure.status_code >= 500:
            raise Unavailable(DOWN) from failure
        raise BadGateway(INVALID_RESPONSE) from failure
    except ImageKitError as failure:
        raise BadGateway(INVALID_RESPONSE) from failure
