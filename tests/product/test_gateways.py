"""ImageKit's real SDK behind the catalogue's port, against the simulator and servers in trouble."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from imagekitio import ImageKit
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from product import wiring
from product.gateways import ImageKitPictures
from product.model import Image
from product.pictures import Picture
from simulators.imagekit import create_app
from supermarket import telemetry
from supermarket.clock import new_id, utc_now
from supermarket.config import ConfigurationError, settings
from supermarket.errors import BadGateway, Unavailable
from support.product import png

Serve = Callable[[Starlette, str], str]

PRIVATE_KEY = "private_key"
FOLDER = "/supermarket-test/products"
PICTURES = [Picture.of(png(width, 2)) for width in (2, 3, 4)]
STORED = {"fileId": "f1", "url": "https://i/1", "thumbnailUrl": "https://t/1"}


@pytest.fixture
def clients() -> Iterator[list[ImageKit]]:
    opened: list[ImageKit] = []
    yield opened
    for client in opened:
        client.close()


@pytest.fixture
def pictures_at(clients: list[ImageKit]) -> Callable[[str], ImageKitPictures]:
    def connect(address: str) -> ImageKitPictures:
        client = ImageKit(private_key=PRIVATE_KEY, base_url=address, timeout=2, max_retries=0)
        clients.append(client)
        return ImageKitPictures(lambda: client, new_id, FOLDER)

    return connect


@pytest.fixture
def simulator(tmp_path: Path, serve: Serve) -> str:
    app = create_app(tmp_path, private_key=PRIVATE_KEY, public_url="http://127.0.0.1:1/imagekit")
    return serve(app, "/imagekit")


def as_served(simulator: str, url: str) -> httpx.Response:
    path = url.removeprefix("http://127.0.0.1:1/imagekit")
    return httpx.get(simulator + path, trust_env=False)


def test_pictures_are_kept_in_order_and_served_until_they_are_discarded(
    pictures_at: Callable[[str], ImageKitPictures], simulator: str
) -> None:
    pictures = pictures_at(simulator)
    product_id = new_id()
    images = pictures.upload(product_id, PICTURES)
    served = [as_served(simulator, image.url) for image in images]
    assert [each.content for each in served] == [picture.content for picture in PICTURES]
    assert {each.headers["content-type"] for each in served} == {"image/png"}
    assert all(f"/products/{product_id}-" in image.url for image in images)
    assert all(as_served(simulator, image.thumbnail).is_success for image in images)
    pictures.discard(images)
    assert [as_served(simulator, image.url).status_code for image in images] == [404] * 3


def test_stored_pictures_are_listed_with_their_products_in_the_order_of_creation(
    pictures_at: Callable[[str], ImageKitPictures], simulator: str
) -> None:
    pictures = pictures_at(simulator)
    first, second = new_id(), new_id()
    images = [*pictures.upload(first, PICTURES[:1]), *pictures.upload(second, PICTURES[:1])]
    with ImageKit(private_key=PRIVATE_KEY, base_url=simulator) as client:
        client.files.upload(file=png(), file_name=f"{first[:-1]}-other.png", folder=FOLDER)
        client.files.upload(file=png(), file_name=f"{first}-1.png", folder="/another/products")
    stored = pictures.list_oldest(0, 10)
    assert [each.image.id for each in stored[:2]] == [image.id for image in images]
    assert [each.product_id for each in stored] == [first, second, None]
    assert all(abs(each.created_at - utc_now()) < timedelta(minutes=1) for each in stored)
    assert pictures.list_oldest(1, 1) == stored[1:2]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (JSONResponse([{"type": "file", "fileId": "f1", "name": "x"}]), BadGateway),
        (JSONResponse({"message": "no"}, 403), BadGateway),
        (JSONResponse({"message": "busy"}, 429), Unavailable),
    ],
)
def test_a_list_that_is_not_answered_well_is_an_error(
    pictures_at: Callable[[str], ImageKitPictures],
    serve: Serve,
    answer: Response,
    error: type[Exception],
) -> None:
    async def trouble(_: Request) -> Response:
        return answer

    pictures = pictures_at(serve(Starlette(routes=[Route("/v1/files", trouble)]), ""))
    with pytest.raises(error):
        pictures.list_oldest(0, 10)


def test_discarding_a_missing_picture_is_no_error(
    pictures_at: Callable[[str], ImageKitPictures],
    simulator: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "count", left_behind := Counted())
    assert not pictures_at(simulator).discard([Image("", "", "0" * 24)])
    assert left_behind.names == []


def test_pictures_that_could_not_be_deleted_are_returned(
    pictures_at: Callable[[str], ImageKitPictures],
) -> None:
    stays = [Image("", "", "0" * 24), Image("", "", "1" * 24)]
    assert pictures_at("http://127.0.0.1:9").discard(stays) == stays


class Counted:
    """Metrics that were counted."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)


class Troubled:
    """An image service that answers the first uploads well and the rest with `trouble`."""

    def __init__(self, trouble: Response, well: int = 0) -> None:
        self._trouble = trouble
        self._well = well
        self.uploads = 0
        self.deleted: list[str] = []

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/v1/files/upload", self._upload, methods=["POST"]),
                Route("/v1/files/{id}", self._delete, methods=["DELETE"]),
            ]
        )

    async def _upload(self, request: Request) -> Response:
        await request.body()
        self.uploads += 1
        return JSONResponse(STORED) if self.uploads <= self._well else self._trouble

    async def _delete(self, request: Request) -> Response:
        self.deleted.append(request.path_params["id"])
        return self._trouble


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (JSONResponse({"message": "down"}, 500), Unavailable),
        (PlainTextResponse("<html>bad gateway</html>", 502), Unavailable),
        (JSONResponse({"message": "slow down"}, 429), Unavailable),
        (JSONResponse({"message": "who are you"}, 403), BadGateway),
        (JSONResponse({"message": "no"}, 400), BadGateway),
        (JSONResponse({}), BadGateway),
        (JSONResponse([]), BadGateway),
        (PlainTextResponse("hello"), BadGateway),
    ],
)
def test_errors_of_the_image_service_are_mapped(
    pictures_at: Callable[[str], ImageKitPictures],
    serve: Serve,
    answer: Response,
    error: type[Unavailable],
) -> None:
    pictures = pictures_at(serve(Troubled(answer).app(), ""))
    with pytest.raises(Unavailable) as raised:
        pictures.upload(new_id(), PICTURES[:1])
    assert type(raised.value) is error
    assert "image service" in raised.value.message


def test_an_unreachable_image_service_is_unavailable(
    pictures_at: Callable[[str], ImageKitPictures],
) -> None:
    with pytest.raises(Unavailable):
        pictures_at("http://127.0.0.1:9").upload(new_id(), PICTURES)


def test_when_one_upload_fails_the_others_are_deleted(
    pictures_at: Callable[[str], ImageKitPictures],
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "count", left_behind := Counted())
    service = Troubled(JSONResponse({"message": "down"}, 503), well=2)
    with pytest.raises(Unavailable):
        pictures_at(serve(service.app(), "")).upload(new_id(), PICTURES)
    assert service.deleted == ["f1", "f1"]
    assert left_behind.names == ["PicturesNotDeleted"] * 2


def test_a_picture_without_a_thumbnail_is_its_own_thumbnail(
    pictures_at: Callable[[str], ImageKitPictures], serve: Serve
) -> None:
    answer = JSONResponse({"fileId": "f1", "url": "https://i/1"})
    (image,) = pictures_at(serve(Troubled(answer).app(), "")).upload(new_id(), PICTURES[:1])
    assert image == Image("https://i/1", "https://i/1", "f1")


@pytest.fixture
def fresh_client() -> Iterator[None]:
    wiring._imagekit.cache_clear()
    yield
    wiring._imagekit.cache_clear()


@pytest.mark.usefixtures("aws", "fresh_client")
def test_the_client_uses_the_configuration() -> None:
    with wiring.imagekit() as client:
        assert (client.private_key, str(client.base_url)) == (
            PRIVATE_KEY,
            settings().imagekit_base_url + "/",
        )
        assert (client.timeout, client.max_retries) == (8.0, 1)
        assert wiring.imagekit() is client


@pytest.mark.usefixtures("fresh_client")
def test_without_a_key_no_request_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "secret", lambda _: {"privateKey": ""})
    with pytest.raises(ConfigurationError):
        wiring.imagekit()
