"""What fruit and vegetables share: leaves, greens and outlines that grow and turn."""

from __future__ import annotations

import math

from local.catalogue.canvas import RGB, Canvas, Point, light, smooth, turned

LEAF: RGB = (94, 156, 66)
STEM: RGB = (112, 82, 48)
GREEN: RGB = (74, 132, 58)


def leaf(canvas: Canvas, foot: Point, length: float, turn: float, color: RGB = LEAF) -> None:
    """A pointed leaf that grows from its foot in the direction of `turn` (0 is right)."""
    outline = smooth([(0, 0), (0.3, -0.22), (0.66, -0.2), (1, 0), (0.66, 0.2), (0.3, 0.22)])
    canvas.shape(placed(rotated(outline, turn), *foot, length), color, "down")
    canvas.line(
        [foot, turned(*foot, length * 0.84, turn)], max(1.5, length * 0.02), light(color, 0.35)
    )


def rotated(points: list[Point], turn: float) -> list[Point]:
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return [(x * cosine - y * sine, x * sine + y * cosine) for x, y in points]


def placed(points: list[Point], x: float, y: float, size: float) -> list[Point]:
    """A unit outline, grown to `size` round the point and rounded off."""
    return smooth([(x + px * size, y + py * size) for px, py in points], 6)
