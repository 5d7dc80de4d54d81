"""A small painter over Pillow: smooth edges, rounded light, soft shadows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps

SIZE = 640
# Pillow draws hard edges: painting at twice the size and halving at the end smooths them.
SCALE = 2

type Point = tuple[float, float]
type Box = tuple[float, float, float, float]
type RGB = tuple[int, int, int]

WHITE: RGB = (255, 255, 255)
INK: RGB = (38, 34, 32)


def rgb(color: str) -> RGB:
    red, green, blue, *_ = ImageColor.getrgb(color)
    return red, green, blue


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """`one` with `share` of `other` stirred in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def light(color: RGB, share: float = 0.3) -> RGB:
    return mix(color, WHITE, share)


def dark(color: RGB, share: float = 0.3) -> RGB:
    return mix(color, (40, 20, 10), share)


def brightness(color: RGB) -> float:
    """0 is black, 1 is white, weighed as the eye does."""
    red, green, blue = color
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def smooth(points: Sequence[Point], steps: int = 10) -> list[Point]:
    """A closed Catmull-Rom curve through the points."""
    curve: list[Point] = []
    count = len(points)
    for index in range(count):
        before, start, end, after = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        curve += [_between(before, start, end, after, step / steps) for step in range(steps)]
    return curve


def _between(before: Point, start: Point, end: Point, after: Point, t: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        bend = 2 * a - 5 * b + 4 * c - d
        return 0.5 * (2 * b + (c - a) * t + bend * t**2 + (3 * b - a - 3 * c + d) * t**3)

    return (
        along(before[0], start[0], end[0], after[0]),
        along(before[1], start[1], end[1], after[1]),
    )


def mirrored(right_half: Sequence[Point], middle: float = SIZE / 2) -> list[Point]:
    """The closed outline whose right half runs from top to bottom; x counts from the middle."""
    right = [(middle + x, y) for x, y in right_half]
    left = [(middle - x, y) for x, y in reversed(right_half) if x]
    return right + left


def turned(x: float, y: float, reach: float, turn: float) -> Point:
    """The point `reach` away in the direction of `turn` degrees; 0 is right, 90 is down."""
    return x + reach * math.cos(math.radians(turn)), y + reach * math.sin(math.radians(turn))


def ring(x: float, y: float, radius: float, count: int) -> list[Point]:
    """Points spread evenly on a circle."""
    return [turned(x, y, radius, index * 360 / count) for index in range(count)]


@cache
def _ramp(shade: str) -> Image.Image:
    """Where light falls: 0 is the darkest place of a body and 255 the brightest."""
    if shade == "side":
        across = Image.linear_gradient("L").rotate(90)
        curve = [_side_light(level / 255) for level in range(256)]
        return across.point(curve)
    if shade == "ball":
        glow = ImageOps.invert(Image.radial_gradient("L"))
        glow = glow.resize((400, 400)).crop((72, 82, 328, 338))
        return glow.point([min(255, round(level * 1.12)) for level in range(256)])
    down = ImageOps.invert(Image.linear_gradient("L"))
    return down.point([70 + round(level * 0.5) for level in range(256)])


def _side_light(x: float) -> int:
    """A cylinder lit from the left: a bright band at a third, dark towards the right edge."""
    return round(255 * max(0.0, 0.94 - 1.5 * math.pow(abs(x - 0.3), 1.35)))


@lru_cache(maxsize=256)
def _toned(color: RGB, shade: str) -> Image.Image:
    depth, shine = (0.42, 0.4) if shade == "ball" else (0.3, 0.34)
    ramp = _ramp(shade).resize((64, 64), Image.Resampling.BILINEAR)
    return ImageOps.colorize(ramp, dark(color, depth), light(color, shine), color, 0, 255, 140)


@lru_cache(maxsize=64)
def _soft_disc(width: int, height: int, strength: float) -> Image.Image:
    """A blurred ellipse as a mask, painted small and blown up: blur costs by the pixel."""
    small = Image.new("L", (160, 160), 0)
    ImageDraw.Draw(small).ellipse((34, 34, 126, 126), fill=round(255 * strength))
    blurred = small.filter(ImageFilter.GaussianBlur(15))
    return blurred.resize((width, height), Image.Resampling.BILINEAR)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface, so that a card looks the same on every machine."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise TypeError("this Pillow was built without FreeType, which the cards' lettering needs")
    return loaded


class Canvas:
    """A card being painted; every coordinate is one of the finished picture, SIZE by SIZE."""

    def __init__(self, backdrop: Image.Image) -> None:
        self.image = backdrop.copy()
        self._draw = ImageDraw.Draw(self.image)

    def finished(self) -> Image.Image:
        return self.image.reduce(SCALE)

    def ellipse(self, box: Box, color: RGB, shade: str = "") -> None:
        self._paint(box, color, shade, lambda draw, at, fill: draw.ellipse(at, fill=fill))

    def circle(self, x: float, y: float, radius: float, color: RGB, shade: str = "") -> None:
        self.ellipse((x - radius, y - radius, x + radius, y + radius), color, shade)

    def block(self, box: Box, radius: float, color: RGB, shade: str = "") -> None:
        """A rectangle with rounded corners."""
        self._paint(
            box,
            color,
            shade,
            lambda draw, at, fill: draw.rounded_rectangle(at, radius * SCALE, fill=fill),
        )

    def shape(self, outline: Sequence[Point], color: RGB, shade: str = "") -> None:
        """A filled polygon."""
        if not shade:
            self._draw.polygon([(x * SCALE, y * SCALE) for x, y in outline], fill=color)
            return
        left, top = min(x for x, _ in outline), min(y for _, y in outline)
        right, bottom = max(x for x, _ in outline), max(y for _, y in outline)

        def draw_outline(draw: ImageDraw.ImageDraw, at: Box, fill: RGB | int) -> None:
            points = [(at[0] + (x - left) * SCALE, at[1] + (y - top) * SCALE) for x, y in outline]
            draw.polygon(points, fill=fill)

        self._paint((left, top, right, bottom), color, shade, draw_outline)

    def line(self, points: Sequence[Point], width: float, color: RGB) -> None:
        """A stroke with round ends and joints."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill=color, width=round(width * SCALE), joint="curve")
        for x, y in (points[0], points[-1]):
            self.circle(x, y, width / 2 - 0.25, color)

    def arc(self, box: Box, start: float, end: float, width: float, color: RGB) -> None:
        at = _scaled(box)
        self._draw.arc(at, start, end, fill=color, width=round(width * SCALE))

    def shadow(self, box: Box, strength: float = 0.3, color: RGB = (70, 45, 30)) -> None:
        """A soft dark patch; also a glow, when the colour is light."""
        left, top, right, bottom = (round(edge) for edge in _scaled(box))
        # The disc's blur reaches past its rim, so it is laid over a wider patch than asked for.
        wide, high = round((right - left) * 0.37), round((bottom - top) * 0.37)
        size = (right - left + 2 * wide, bottom - top + 2 * high)
        self.image.paste(color, (left - wide, top - high), _soft_disc(*size, strength))

    def inside(self, outline: Sequence[Point], paint: Callable[[Canvas], None]) -> None:
        """Runs `paint`, but keeps what it did only within the outline."""
        layer = Canvas(self.image)
        paint(layer)
        points = [(x * SCALE, y * SCALE) for x, y in outline]
        left, top = (max(0, round(min(edge))) for edge in zip(*points, strict=True))
        right, bottom = (round(max(edge)) for edge in zip(*points, strict=True))
        mask = Image.new("L", (right - left, bottom - top), 0)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=255)
        self.image.paste(layer.image.crop((left, top, right, bottom)), (left, top), mask)

    def gloss(self, box: Box, radius: float, strength: float = 0.3) -> None:
        """A pale streak, as on glass or foil."""
        at = _scaled(box)
        size = (max(1, round(at[2] - at[0])), max(1, round(at[3] - at[1])))
        mask = Image.new("L", size, 0)
        level = round(255 * strength)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, size[0] - 1, size[1] - 1), radius * SCALE, fill=level
        )
        self.image.paste(WHITE, (round(at[0]), round(at[1])), mask)

    def text(
        self, x: float, y: float, words: str, size: float, color: RGB, weight: float = 0
    ) -> None:
        """Words centred on a point; `weight` thickens the strokes, the typeface having no bold."""
        self._draw.text(
            (x * SCALE, y * SCALE),
            words,
            fill=color,
            font=font(round(size * SCALE)),
            anchor="mm",
            stroke_width=weight * SCALE,
        )

    def _paint(
        self,
        box: Box,
        color: RGB,
        shade: str,
        draw_in: Callable[[ImageDraw.ImageDraw, Box, RGB | int], None],
    ) -> None:
        at = _scaled(box)
        if not shade:
            draw_in(self._draw, at, color)
            return
        left, top = round(at[0]), round(at[1])
        size = (max(1, round(at[2]) - left), max(1, round(at[3]) - top))
        mask = Image.new("L", size, 0)
        draw_in(ImageDraw.Draw(mask), (0, 0, size[0] - 1, size[1] - 1), 255)
        body = _toned(color, shade).resize(size, Image.Resampling.BILINEAR)
        self.image.paste(body, (left, top), mask)


def _scaled(box: Box) -> Box:
    left, top, right, bottom = box
    return left * SCALE, top * SCALE, right * SCALE, bottom * SCALE


def backdrop(background: RGB, accent: RGB) -> Image.Image:
    """An empty card: a wall in the category's colour, a pale halo and the table's edge."""
    side = SIZE * SCALE
    fall = Image.linear_gradient("L").resize((side, side))
    wall = ImageOps.colorize(fall, light(background, 0.45), mix(background, accent, 0.1))
    canvas = Canvas(wall)
    canvas.shadow((90, 30, 550, 490), 0.75, light(background, 0.85))
    table = ImageChops.multiply(
        wall.crop((0, 470 * SCALE, side, side)),
        Image.new("RGB", (side, side - 470 * SCALE), mix(WHITE, accent, 0.1)),
    )
    canvas.image.paste(table, (0, 470 * SCALE))
    return canvas.image
