"""Pictures at ImageKit, through its official SDK."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from product.model import MAX_IMAGES, Image
from product.pictures import Picture
from supermarket import telemetry
from supermarket.clock import NewId
from supermarket.errors import BadGateway, Unavailable

if TYPE_CHECKING:
    from imagekitio import ImageKit

FOLDER = "/products"
BUSY = 429

DOWN = "The image service does not answer. Nothing was changed; try again."
INVALID_RESPONSE = "The image service answered with an error. Nothing was changed."


class ImageKitPictures:
    """`Pictures` at ImageKit. The client is made at the first call, since its import is slow and
    most requests need none.
    """

    def __init__(self, client: Callable[[], "ImageKit"], new_id: NewId) -> None:
        self._client = client
        self._new_id = new_id

    def upload(self, product_id: str, pictures: Sequence[Picture]) -> tuple[Image, ...]:
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

    def _upload(self, client: "ImageKit", product_id: str, picture: Picture) -> Image:
        with _mapped_errors():
            stored = client.files.upload(
                file=picture.content,
                # a name chosen here, so that a repeated attempt replaces the first
                file_name=f"{product_id}-{self._new_id()}.{picture.type}",
                use_unique_file_name=False,
                folder=FOLDER,
            )
            # the SDK does not check the response
            if not getattr(stored, "file_id", None) or not getattr(stored, "url", None):
                raise BadGateway(INVALID_RESPONSE)
        return Image(str(stored.url), str(stored.thumbnail_url or stored.url), str(stored.file_id))


def _succeeded(uploads: Sequence[Future[Image]]) -> list[Image]:
    return [upload.result() for upload in uploads if upload.exception() is None]


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
