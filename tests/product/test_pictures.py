"""Pictures are known by their content."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from product.pictures import MAX_SIDE, Picture, PictureType
from supermarket.errors import Invalid
from support.product import png


def drawn(form: str, size: tuple[int, int] = (31, 17), **options: object) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, "green").save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (drawn("JPEG"), PictureType.JPEG),
        (drawn("JPEG", progressive=True, exif=b"Exif\0\0" + b"x" * 5000), PictureType.JPEG),
        (b"\xff\xd8\xff\xff" + drawn("JPEG")[3:], PictureType.JPEG),
        (drawn("PNG"), PictureType.PNG),
        (png(), PictureType.PNG),
        (drawn("WEBP"), PictureType.WEBP),
        (drawn("WEBP", lossless=True), PictureType.WEBP),
        (drawn("WEBP", exif=b"Exif\0\0" + b"x" * 50), PictureType.WEBP),
    ],
)
def test_jpeg_png_and_webp_are_accepted(content: bytes, kind: PictureType) -> None:
    assert Picture.of(content) == Picture(content, kind)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_side_has_at_most_8000_pixels(form: str) -> None:
    Picture.of(drawn(form, (MAX_SIDE, 1)))
    Picture.of(drawn(form, (1, MAX_SIDE)))
    for size in ((MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)):
        with pytest.raises(Invalid) as refused:
            Picture.of(drawn(form, size))
        assert "8000 pixels" in refused.value.errors[0].message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a\x01\x00\x01\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<html>",
        b"%PDF-1.7",
        drawn("GIF"),
        drawn("PNG")[:20],
        drawn("JPEG")[:12],
        drawn("WEBP")[:20],
        b"RIFF\0\0\0\0WAVEfmt ",
        b"RIFF\0\0\0\0WEBPXXXX" + b"\0" * 40,
        b"\xff\xd8\xff" + b"\0" * 1000,
        b"\xff\xd8\xff" + b"\xff" * 1000,
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        Picture.of(content)
    assert [error.field for error in refused.value.errors] == ["images"]


@given(
    st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF\0\0\0\0WEBPVP8X", b""]
    ),
    st.binary(max_size=60),
)
def test_arbitrary_bytes_are_accepted_or_refused_without_an_error(
    beginning: bytes, rest: bytes
) -> None:
    with suppress(Invalid):
        picture = Picture.of(beginning + rest)
        assert picture.content.startswith(beginning)
