"""The ImageKit simulator, driven by ImageKit's own SDK over a real connection."""

import base64
import io
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import imagekitio
import pytest
from imagekitio import ImageKit
from PIL import Image
from starlette.applications import Starlette

from simulators.imagekit import create_app

Serve = Callable[[Starlette, str], str]

http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)

PRIVATE_KEY = "private_test_key"
PUBLIC_URL = "http://shop.example:3000/imagekit"


@pytest.fixture
def address(tmp_path: Path, serve: Serve) -> str:
    app = create_app(tmp_path, private_key=PRIVATE_KEY, public_url=PUBLIC_URL)
    return serve(app, "/imagekit")


@pytest.fixture
def client(address: str) -> Iterator[ImageKit]:
    with ImageKit(private_key=PRIVATE_KEY, base_url=address, max_retries=0) as client:
        yield client


def picture(size: tuple[int, int] = (640, 480), form: str = "PNG", colour: str = "green") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, form)
    return content.getvalue()


def fetched(address: str, url: str | None, **headers: str) -> httpx.Response:
    """Fetch the picture of a public URL from the server under test."""
    assert url is not None
    return http.get(url.replace(PUBLIC_URL, address), headers=headers)


def test_an_uploaded_picture_is_described_as_imagekit_does(client: ImageKit) -> None:
    content = picture()
    uploaded = client.files.upload(
        file=content, file_name="Fresh apples.png", folder="/products", tags=["fruit", "red"]
    )

    assert re.fullmatch("[0-9a-f]{24}", uploaded.file_id or "")
    assert re.fullmatch(r"Fresh_apples_[A-Za-z0-9_-]{9}\.png", uploaded.name or "")
    assert uploaded.file_path == f"/products/{uploaded.name}"
    assert uploaded.url == f"{PUBLIC_URL}/products/{uploaded.name}"
    assert uploaded.thumbnail_url == (f"{PUBLIC_URL}/tr:n-ik_ml_thumbnail/products/{uploaded.name}")
    assert (uploaded.width, uploaded.height, uploaded.size) == (640, 480, len(content))
    assert uploaded.file_type == "image"
    assert uploaded.tags == ["fruit", "red"]
    assert uploaded.version_info is not None
    assert uploaded.version_info.id == uploaded.file_id


def test_a_folder_is_listed_in_pages_in_the_order_of_creation(client: ImageKit) -> None:
    names = [f"{letter}.png" for letter in "cab"]
    for name in names:
        client.files.upload(
            file=picture((2, 2)), file_name=name, use_unique_file_name=False, folder="/shop/new"
        )
        time.sleep(0.002)
    client.files.upload(file=picture((2, 2)), file_name="other.png", folder="/shop")

    def listed(skip: int = 0, limit: int = 10, sort: Literal["DESC_CREATED"] | None = None) -> Any:
        return client.assets.list(
            path="/shop/new", type="file", sort=sort or "ASC_CREATED", skip=skip, limit=limit
        )

    assert [file.name for file in listed()] == names
    assert [file.name for file in listed(sort="DESC_CREATED")] == names[::-1]
    assert [file.name for file in listed(skip=1, limit=1)] == names[1:2]
    assert listed(skip=3) == []
    [first, *_] = listed()
    assert (first.type, first.file_path) == ("file", "/shop/new/c.png")
    assert abs(first.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    for options in ({"limit": 0}, {"limit": 1001}, {"sort": "ASC_NAME"}, {"search_query": "x"}):
        with pytest.raises(imagekitio.BadRequestError):
            client.assets.list(**options)


@pytest.mark.parametrize(
    ("form", "content_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")],
)
def test_a_picture_is_served_as_it_was_uploaded(
    client: ImageKit, address: str, form: str, content_type: str
) -> None:
    content = picture(form=form)
    uploaded = client.files.upload(file=content, file_name="picture.misnamed")
    answer = fetched(address, uploaded.url)
    assert answer.content == content
    assert answer.headers["Content-Type"] == content_type
    assert "max-age=31536000" in answer.headers["Cache-Control"]


def test_an_unchanged_picture_is_not_sent_again(client: ImageKit, address: str) -> None:
    uploaded = client.files.upload(file=picture(), file_name="a.png")
    etag = fetched(address, uploaded.url).headers["ETag"]
    again = fetched(address, uploaded.url, **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    thumbnail = fetched(address, uploaded.thumbnail_url, **{"If-None-Match": etag})
    assert thumbnail.status_code == 200


def test_a_thumbnail_is_small_and_keeps_its_proportions(client: ImageKit, address: str) -> None:
    uploaded = client.files.upload(file=picture((1200, 600), "JPEG"), file_name="a.jpg")
    for _ in range(2):
        answer = fetched(address, uploaded.thumbnail_url)
        assert answer.headers["Content-Type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.content)) as thumbnail:
            assert thumbnail.size == (300, 150)


@pytest.mark.parametrize(
    ("transformation", "size"),
    [
        ("w-100", (100, 50)),
        ("h-100,w-400", (200, 100)),
        ("h-100:rt-90", (200, 100)),
        ("e-grayscale", (1200, 600)),
        ("w-9999", (1200, 600)),
        ("w-0", (1, 1)),
    ],
)
def test_transformations_other_than_sizes_are_ignored(
    client: ImageKit, address: str, transformation: str, size: tuple[int, int]
) -> None:
    uploaded = client.files.upload(file=picture((1200, 600)), file_name="a.png")
    in_path = http.get(f"{address}/tr:{transformation}{uploaded.file_path}")
    in_query = http.get(f"{address}{uploaded.file_path}", params={"tr": transformation})
    for answer in (in_path, in_query):
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == size


def test_a_deleted_picture_and_its_thumbnail_are_not_served(
    client: ImageKit, address: str, tmp_path: Path
) -> None:
    uploaded = client.files.upload(file=picture(), file_name="a.png")
    assert fetched(address, uploaded.thumbnail_url).status_code == 200
    assert uploaded.file_id is not None

    client.files.delete(uploaded.file_id)

    assert fetched(address, uploaded.url).status_code == 404
    assert fetched(address, uploaded.thumbnail_url).status_code == 404
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(imagekitio.NotFoundError, match="The requested file does not exist"):
        client.files.delete(uploaded.file_id)


def test_the_details_of_a_file_can_be_read(client: ImageKit) -> None:
    uploaded = client.files.upload(file=picture(), file_name="a.png")
    assert uploaded.file_id is not None
    file = client.files.get(uploaded.file_id)
    assert (file.type, file.url, file.size) == ("file", uploaded.url, uploaded.size)


def test_a_wrong_key_can_neither_upload_nor_delete(address: str, client: ImageKit) -> None:
    uploaded = client.files.upload(file=picture(), file_name="a.png")
    assert uploaded.file_id is not None
    with ImageKit(private_key="wrong", base_url=address, max_retries=0) as stranger:
        with pytest.raises(imagekitio.PermissionDeniedError, match="cannot be authenticated"):
            stranger.files.upload(file=picture(), file_name="b.png")
        with pytest.raises(imagekitio.PermissionDeniedError, match="cannot be authenticated"):
            stranger.files.delete(uploaded.file_id)
    assert fetched(address, uploaded.url).status_code == 200


@pytest.mark.parametrize(("header", "status"), [("", 401), ("Bearer x", 401), ("Basic %%", 403)])
def test_a_request_without_the_key_is_refused(address: str, header: str, status: int) -> None:
    answer = http.delete(f"{address}/v1/files/{'0' * 24}", headers={"Authorization": header})
    assert answer.status_code == status
    assert answer.json().keys() == {"message", "help"}


@pytest.mark.parametrize("file_id", ["unknown", "A" * 24, "0" * 24])
def test_deleting_an_unknown_file_is_404(address: str, file_id: str) -> None:
    answer = http.delete(f"{address}/v1/files/{file_id}", auth=(PRIVATE_KEY, ""))
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"file": "aGVsbG8="}, "Missing fileName parameter for upload"),
        ({"fileName": "a.png"}, "Missing file parameter for upload"),
        ({"fileName": "a.png", "file": "http://shop.example/a.png"}, "Invalid file parameter"),
    ],
)
def test_an_incomplete_upload_is_refused(
    address: str, fields: dict[str, str], message: str
) -> None:
    answer = http.post(
        f"{address}/api/v1/files/upload", auth=(PRIVATE_KEY, ""), data=fields, files={}
    )
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_a_file_that_is_too_large_is_refused(client: ImageKit, tmp_path: Path) -> None:
    with pytest.raises(imagekitio.BadRequestError, match="exceeds the limit"):
        client.files.upload(file=bytes(26 * 1024 * 1024), file_name="a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_picture_can_be_uploaded_as_base64(address: str, prefix: str) -> None:
    content = picture()
    answer = http.post(
        f"{address}/api/v1/files/upload",
        auth=(PRIVATE_KEY, ""),
        data={"fileName": "a.png", "file": prefix + base64.b64encode(content).decode()},
    )
    assert fetched(address, answer.json()["url"]).content == content


def test_two_files_with_one_name_are_both_stored(client: ImageKit, address: str) -> None:
    red = client.files.upload(file=picture(colour="red"), file_name="a.png")
    blue = client.files.upload(file=picture(colour="blue"), file_name="a.png")
    assert red.file_id != blue.file_id
    assert fetched(address, red.url).content == picture(colour="red")
    assert fetched(address, blue.url).content == picture(colour="blue")


def test_a_file_with_a_fixed_name_replaces_the_earlier_one(client: ImageKit, address: str) -> None:
    for colour in ("red", "blue"):
        uploaded = client.files.upload(
            file=picture(colour=colour), file_name="a.png", use_unique_file_name=False
        )
        thumbnail = fetched(address, uploaded.thumbnail_url)
        assert uploaded.file_path == "/a.png"
        assert fetched(address, uploaded.url).content == picture(colour=colour)
        with Image.open(io.BytesIO(thumbnail.content)) as image:
            assert image.getpixel((5, 5)) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))


@pytest.mark.parametrize("folder", ["../../etc", "/a/../../b", "..", "/a b/<c>"])
def test_no_file_name_leads_outside_the_library(
    client: ImageKit, address: str, tmp_path: Path, folder: str
) -> None:
    uploaded = client.files.upload(file=picture(), file_name="../../x.png", folder=folder)
    assert re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", uploaded.file_path or "")
    assert "/../" not in (uploaded.file_path or "")
    assert fetched(address, uploaded.url).status_code == 200
    assert all(file.parent == tmp_path for file in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "content", [b"<script>alert(1)</script>", b"<svg onload='alert(1)' xmlns='x'/>", b""]
)
def test_a_file_that_is_not_a_picture_is_never_served_as_a_page(
    client: ImageKit, address: str, content: bytes
) -> None:
    uploaded = client.files.upload(file=("a.html", content), file_name="a.html")
    assert (uploaded.file_type, uploaded.thumbnail_url) == ("non-image", None)
    answer = fetched(address, uploaded.url)
    assert answer.content == content
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_a_truncated_picture_is_its_own_thumbnail(client: ImageKit, address: str) -> None:
    noise = Image.effect_noise((400, 400), 90)
    whole = io.BytesIO()
    noise.save(whole, "PNG")
    broken = whole.getvalue()[:5000]
    uploaded = client.files.upload(file=broken, file_name="a.png")
    assert fetched(address, uploaded.thumbnail_url).content == broken


def test_concurrent_uploads_are_all_stored(client: ImageKit, address: str) -> None:
    content = picture((20, 20))
    with ThreadPoolExecutor(8) as pool:
        uploads = list(
            pool.map(lambda _: client.files.upload(file=content, file_name="a.png"), range(32))
        )
    assert len({uploaded.file_id for uploaded in uploads}) == 32
    assert all(fetched(address, uploaded.url).content == content for uploaded in uploads)


def test_pictures_survive_a_restart_of_the_simulator(
    client: ImageKit, tmp_path: Path, serve: Serve
) -> None:
    uploaded = client.files.upload(file=picture(), file_name="a.png")
    again = create_app(tmp_path, private_key=PRIVATE_KEY, public_url=PUBLIC_URL)
    assert fetched(serve(again, "/imagekit"), uploaded.url).content == picture()
