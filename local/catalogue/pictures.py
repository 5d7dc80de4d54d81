"""Draws a product's card: the same product always gives the very same picture."""

from __future__ import annotations

import hashlib
import io
import secrets
from functools import cache
from pathlib import Path

import PIL
from PIL import Image

from local.catalogue import bags_and_boxes, bakes, fruit, loose_goods, vegetables, vessels
from local.catalogue.canvas import Canvas, backdrop, rgb
from local.catalogue.lettering import shelf_tag
from local.catalogue.model import Category, Product
from local.catalogue.subject import Painter, Subject

CONTENT_TYPE = "image/jpeg"
QUALITY = 80

SHAPES: dict[str, Painter] = {
    name: painter
    for family in (bags_and_boxes, vessels, loose_goods, fruit, vegetables, bakes)
    for name, painter in family.SHAPES.items()
}


def draw(product: Product, category: Category) -> Image.Image:
    """The card as an image."""
    accent = rgb(category.accent)
    canvas = Canvas(_backdrop(category.background, category.accent))
    look = product.picture
    SHAPES[look.shape](
        Subject(
            canvas=canvas,
            name=product.name,
            pack=product.pack,
            color=rgb(look.color),
            accent=accent,
            shape=look.shape,
            texture=look.texture,
        )
    )
    shelf_tag(canvas, product.name, product.pack, accent)
    return canvas.finished()


def picture(product: Product, category: Category, kept: Path | None = None) -> bytes:
    """The card as a JPEG; drawn once and then read from the folder `kept`, when there is one."""
    if kept is None:
        return _jpeg(draw(product, category))
    file = kept / f"{_fingerprint(product, category)}.jpg"
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        # Written aside and moved: a second run that reads meanwhile never sees half a picture.
        part = file.with_suffix(f".{secrets.token_hex(4)}.part")
        part.write_bytes(_jpeg(draw(product, category)))
        part.replace(file)
    return file.read_bytes()


@cache
def _backdrop(background: str, accent: str) -> Image.Image:
    return backdrop(rgb(background), rgb(accent))


def _jpeg(card: Image.Image) -> bytes:
    buffer = io.BytesIO()
    card.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _fingerprint(product: Product, category: Category) -> str:
    """Changes with whatever the picture depends on: the product, the palette, the drawing code."""
    seen = (product.name, product.pack, product.picture, category.background, category.accent)
    return hashlib.sha256(f"{_drawing_code()}{seen}".encode()).hexdigest()[:32]


@cache
def _drawing_code() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    code = b"".join(source.read_bytes() for source in sources)
    return PIL.__version__ + hashlib.sha256(code).hexdigest()
