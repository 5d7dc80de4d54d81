"""What a shape's painter is given: the product's words and colours, and the canvas."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.catalogue.canvas import RGB, Box, Canvas, Point, brightness, dark, light, mix

FLOOR = 500.0


@dataclass(frozen=True)
class Subject:
    canvas: Canvas
    name: str
    pack: str
    color: RGB
    accent: RGB
    shape: str
    texture: str

    @property
    def wrapper(self) -> RGB:
        """A pack's own colour: the product's, pulled to the category's so that shelves match."""
        return mix(self.color, self.accent, 0.5 if brightness(self.color) > 0.82 else 0.1)

    def dice(self) -> random.Random:
        """Chance that falls the same way every time this product is drawn."""
        return random.Random(self.name)


type Painter = Callable[[Subject], None]


def ground(subject: Subject, left: float, right: float, strength: float = 0.42) -> None:
    """The shadow that keeps a thing on the table."""
    subject.canvas.shadow((left - 8, FLOOR - 24, right + 22, FLOOR + 22), strength)


def fill(subject: Subject, outline: Sequence[Point]) -> None:
    """Within the outline, what is in the pack seen from near: grains, beans, flakes and so on."""
    xs, ys = zip(*outline, strict=True)
    bounds = (min(xs), min(ys), max(xs), max(ys))
    paint = _TEXTURES.get(subject.texture, _plain)

    def contents(layer: Canvas) -> None:
        layer.block(bounds, 0, dark(subject.color, 0.18))
        paint(layer, bounds, subject.color, subject.dice())

    subject.canvas.inside(outline, contents)


def _plain(canvas: Canvas, box: Box, color: RGB, _: random.Random) -> None:
    canvas.block(box, 0, color, "side")


def _powder(canvas: Canvas, box: Box, color: RGB, dice: random.Random) -> None:
    canvas.block(box, 0, color, "side")
    for x, y in _scatter(box, 12, dice):
        canvas.circle(x, y, 1.3, (dark if dice.random() < 0.5 else light)(color, 0.14))


def _grains(canvas: Canvas, box: Box, color: RGB, dice: random.Random) -> None:
    _sticks(canvas, box, color, dice, length=12, width=4.4, step=9)


def _strands(canvas: Canvas, box: Box, color: RGB, dice: random.Random) -> None:
    _sticks(canvas, box, color, dice, length=34, width=4, step=13)


def _sticks(
    canvas: Canvas,
    box: Box,
    color: RGB,
    dice: random.Random,
    *,
    length: float,
    width: float,
    step: float,
) -> None:
    for x, y in _scatter(box, step, dice):
        turn = dice.uniform(0, math.pi)
        dx, dy = math.cos(turn) * length / 2, math.sin(turn) * length / 2
        canvas.line([(x - dx, y - dy), (x + dx, y + dy)], width, _shade_of(color, dice))


def _pebbles(
    radius: float, step: float, flat: float = 1.0
) -> Callable[[Canvas, Box, RGB, random.Random], None]:
    def paint(canvas: Canvas, box: Box, color: RGB, dice: random.Random) -> None:
        for x, y in _scatter(box, step, dice):
            wide, high = radius * dice.uniform(0.85, 1.1), radius * flat * dice.uniform(0.85, 1.1)
            tone = _shade_of(color, dice)
            canvas.ellipse((x - wide, y - high, x + wide, y + high), dark(tone, 0.2))
            canvas.ellipse((x - wide, y - high - 1, x + wide * 0.86, y + high * 0.78), tone)
            canvas.circle(x - wide * 0.3, y - high * 0.4, radius * 0.16, light(tone, 0.55))

    return paint


def _biscuits(canvas: Canvas, box: Box, color: RGB, dice: random.Random) -> None:
    for x, y in _scatter(box, 34, dice):
        canvas.block((x - 24, y - 17, x + 24, y + 19), 6, dark(color, 0.3))
        canvas.block((x - 24, y - 19, x + 24, y + 16), 6, _shade_of(color, dice))
        for dot in (-12, 0, 12):
            canvas.circle(x + dot, y - 8, 1.8, dark(color, 0.35))
            canvas.circle(x + dot, y + 6, 1.8, dark(color, 0.35))


def _scatter(box: Box, step: float, dice: random.Random) -> list[tuple[float, float]]:
    """Points that cover the box evenly but not in rows."""
    left, top, right, bottom = box
    spots = [
        (
            left + column * step + dice.uniform(-0.4, 0.4) * step,
            top + row * step + dice.uniform(-0.4, 0.4) * step,
        )
        for row in range(int((bottom - top) / step) + 2)
        for column in range(int((right - left) / step) + 2)
    ]
    dice.shuffle(spots)
    return spots


def _shade_of(color: RGB, dice: random.Random) -> RGB:
    share = dice.uniform(-0.2, 0.22)
    return dark(color, -share) if share < 0 else light(color, share)


_TEXTURES: dict[str, Callable[[Canvas, Box, RGB, random.Random], None]] = {
    "powder": _powder,
    "grains": _grains,
    "strands": _strands,
    "seeds": _pebbles(3.6, 8),
    "beans": _pebbles(7.5, 12, 0.8),
    "balls": _pebbles(20, 32),
    "chunks": _pebbles(12, 18, 0.72),
    "flakes": _pebbles(15, 19, 0.55),
    "biscuits": _biscuits,
}
TEXTURES = frozenset(_TEXTURES)
