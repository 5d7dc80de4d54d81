"""Pictures that sellers send, recognised by their content."""

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from supermarket.errors import FieldError, Invalid

MAX_SIDE = 8000

PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
JPEG_BEGINS = b"\xff\xd8\xff"
# start-of-frame markers hold the size; C4, C8 and CC among them have other meanings
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

type Size = tuple[int, int]


class PictureType(StrEnum):
    """The accepted kinds of pictures; the value is the file name's extension."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"


@dataclass(frozen=True)
class Picture:
    """The bytes of a picture of an accepted kind and size."""

    content: bytes
    type: PictureType

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Raise Invalid unless `content` is a JPEG, PNG or WebP of at most 8000 x 8000 pixels."""
        for kind, size_of in SIZE_OF.items():
            with suppress(struct.error):  # the header is incomplete
                if size := size_of(content):
                    if not all(1 <= side <= MAX_SIDE for side in size):
                        raise _refused(f"each side must have 1 to {MAX_SIDE} pixels")
                    return cls(content, kind)
        raise _refused("must be JPEG, PNG or WebP")


def _png_size(content: bytes) -> Size | None:
    if not content.startswith(PNG_BEGINS) or content[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _jpeg_size(content: bytes) -> Size | None:
    """Read the size from the frame segment of a JPEG, a sequence of segments with lengths."""
    if not content.startswith(JPEG_BEGINS):
        return None
    position = 2
    while True:
        begin, marker, length = struct.unpack_from(">BBH", content, position)
        if begin != 0xFF:
            return None
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        # any number of FF bytes may precede a marker
        position += 1 if marker == 0xFF else 2 + length


def _webp_size(content: bytes) -> Size | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    match content[12:16]:
        case b"VP8X":
            return _uint24(content, 24) + 1, _uint24(content, 27) + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", content, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return None


SIZE_OF: dict[PictureType, Callable[[bytes], Size | None]] = {
    PictureType.JPEG: _jpeg_size,
    PictureType.PNG: _png_size,
    PictureType.WEBP: _webp_size,
}


def _uint24(content: bytes, position: int) -> int:
    low, high = struct.unpack_from("<HB", content, position)
    return int(low) | int(high) << 16


def _refused(message: str) -> Invalid:
    return Invalid("The picture is not valid", (FieldError("images", message),))
