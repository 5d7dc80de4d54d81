"""The pictures of the sample products."""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from local.catalogue import pictures, read
from local.catalogue.lettering import fit
from local.catalogue.model import Category, Product
from local.catalogue.subject import TEXTURES

PAIRS = [(product, category) for category in read().categories for product in category.products]
# One of each look shows what a painter can do; all 260 take the better part of ten seconds.
ONE_OF_EACH_LOOK = list(
    {(pair[0].picture.shape, pair[0].picture.texture): pair for pair in PAIRS}.values()
)


def test_every_product_has_a_shape_and_a_texture_that_can_be_drawn() -> None:
    assert {product.picture.shape for product, _ in PAIRS} <= set(pictures.SHAPES)
    assert {product.picture.texture for product, _ in PAIRS} <= TEXTURES | {""}


def test_no_shape_is_drawn_for_nobody() -> None:
    assert set(pictures.SHAPES) == {product.picture.shape for product, _ in PAIRS}


@pytest.mark.parametrize(
    ("product", "category"), ONE_OF_EACH_LOOK, ids=[p.title for p, _ in ONE_OF_EACH_LOOK]
)
def test_a_picture_is_a_small_square_jpeg_with_something_on_it(
    product: Product, category: Category
) -> None:
    encoded = pictures.picture(product, category)
    assert len(encoded) < 40_000
    with Image.open(io.BytesIO(encoded)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 640))
        middle = picture.convert("RGB").crop((120, 200, 520, 500))
    assert max(ImageStat.Stat(middle).stddev) > 12


def test_the_same_product_gives_the_same_picture_in_another_process() -> None:
    code = (
        "import hashlib; from local.catalogue import pictures, read;"
        "category = read().categories[0];"
        "drawn = pictures.picture(category.products[0], category);"
        "print(hashlib.sha256(drawn).hexdigest())"
    )
    runs = {
        subprocess.run(  # noqa: S603 (this interpreter, with the line above)
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_name_and_pack_size_are_on_the_card() -> None:
    product, category = PAIRS[0]
    plain = pictures.draw(product, category)
    for other in (replace(product, name="Another Name"), replace(product, pack="9 kg")):
        changed = ImageChops.difference(plain, pictures.draw(other, category))
        tag = changed.crop((0, 535, 640, 620))
        assert tag.getbbox() is not None


def test_every_name_is_set_whole_and_large_enough_to_be_read() -> None:
    for product, _ in PAIRS:
        lines, size = fit(product.name, 350, 60, 32, most_lines=2)
        assert " ".join(lines) == product.name
        assert size >= 20, product.name


def test_a_kept_picture_is_read_and_not_drawn_again(tmp_path: Path) -> None:
    product, category = PAIRS[0]
    drawn = pictures.picture(product, category, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == drawn == pictures.picture(product, category)
    kept.write_bytes(b"as kept")
    assert pictures.picture(product, category, tmp_path) == b"as kept"


def test_a_changed_product_is_drawn_anew(tmp_path: Path) -> None:
    product, category = PAIRS[0]
    first = pictures.picture(product, category, tmp_path)
    second = pictures.picture(replace(product, pack="9 kg"), category, tmp_path)
    assert first != second
    assert len(list(tmp_path.iterdir())) == 2
