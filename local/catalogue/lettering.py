"""Sets a product's name on its label and on the shelf tag below it, as large as it fits."""

from __future__ import annotations

from itertools import combinations

from local.catalogue.canvas import INK, RGB, SCALE, WHITE, Box, Canvas, font, light

LINE_HEIGHT = 1.14


def fit(
    words: str, width: float, height: float, largest: int, most_lines: int = 3
) -> tuple[list[str], int]:
    """The lines, and the size to set them in, that fill the space best."""
    best: tuple[list[str], int] = ([words], 6)
    parts = words.split()
    for count in range(1, min(most_lines, len(parts)) + 1):
        lines = _broken(parts, count)
        size = _size_of(lines, width, height, largest)
        if size > best[1]:
            best = lines, size
    return best


def _broken(parts: list[str], count: int) -> list[str]:
    """The words on `count` lines, the longest line being as short as can be."""
    ways = (
        [" ".join(parts[start:end]) for start, end in zip((0, *cuts), (*cuts, None), strict=True)]
        for cuts in combinations(range(1, len(parts)), count - 1)
    )
    return min(ways, key=lambda lines: max(_width(line) for line in lines))


def _width(words: str) -> float:
    """In units of the type size."""
    return font(100).getlength(words) / 100 + 0.06


def _size_of(lines: list[str], width: float, height: float, largest: int) -> int:
    widest = max(_width(line) for line in lines)
    return int(min(largest, width / widest, height / (LINE_HEIGHT * len(lines))))


def write(
    canvas: Canvas, box: Box, words: str, color: RGB, *, largest: int = 40, weight: float = 0.6
) -> None:
    """The words in the middle of the box, on up to three lines."""
    left, top, right, bottom = box
    lines, size = fit(words, right - left, bottom - top, largest)
    first = (top + bottom) / 2 - (len(lines) - 1) * size * LINE_HEIGHT / 2
    for index, line in enumerate(lines):
        y = first + index * size * LINE_HEIGHT
        canvas.text((left + right) / 2, y, line, size, color, weight)


def label(canvas: Canvas, box: Box, name: str, pack: str, accent: RGB, radius: float = 10) -> None:
    """A paper label: the name over a coloured band that holds the pack size."""
    left, top, right, bottom = box
    band = bottom - max(22, (bottom - top) * 0.26)
    canvas.block((left, top, right, bottom), radius, accent)
    canvas.block((left + 3, top + 3, right - 3, band), max(2, radius - 3), (255, 253, 248))
    write(canvas, (left + 10, top + 8, right - 10, band - 4), name, INK, largest=38)
    write(canvas, (left + 8, band, right - 8, bottom), pack, WHITE, largest=24, weight=0.4)


def shelf_tag(canvas: Canvas, name: str, pack: str, accent: RGB) -> None:
    """The tag at the card's foot; a reader finds name and size there on every card."""
    lines, size = fit(name, 350, 60, 32, most_lines=2)
    pill = font(22 * SCALE).getlength(pack) / SCALE + 36
    width = max(font(size * SCALE).getlength(line) / SCALE for line in lines)
    left = 320 - (width + pill + 70) / 2
    right = 640 - left
    canvas.shadow((left + 10, 556, right - 10, 622), 0.22)
    canvas.block((left, 540, right, 614), 20, WHITE)
    canvas.block((left + 14, 558, left + 20, 596), 3, accent)
    first = 577 - (len(lines) - 1) * size * LINE_HEIGHT / 2
    for index, line in enumerate(lines):
        y = first + index * size * LINE_HEIGHT
        canvas.text(left + 34 + width / 2, y, line, size, INK, 0.5)
    canvas.block((right - pill - 16, 558, right - 16, 596), 19, light(accent, 0.84))
    canvas.text(right - 16 - pill / 2, 577, pack, 22, accent, 0.4)
