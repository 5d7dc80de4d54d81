"""Painters of what stands on the shelf without a pack round it."""

from __future__ import annotations

from local.catalogue.canvas import WHITE, dark, light
from local.catalogue.lettering import label
from local.catalogue.subject import FLOOR, Painter, Subject, ground


def block(subject: Subject) -> None:
    """A brick of butter, cheese or paneer with a slice cut off."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 90, 550)
    canvas.ellipse((70, 440, 570, 524), light(subject.accent, 0.7), "down")
    canvas.ellipse((90, 444, 550, 510), light(subject.accent, 0.9))
    canvas.shape([(120, 280), (190, 226), (430, 226), (390, 280)], light(color, 0.55))
    canvas.shape([(390, 280), (430, 226), (430, 420), (390, 480)], dark(color, 0.2))
    canvas.block((118, 278, 392, 482), 8, color, "down")
    for x in (426, 474):
        canvas.shape(
            [(x, 300), (x + 34, 252), (x + 48, 252), (x + 48, 430), (x + 16, 482), (x, 482)],
            dark(color, 0.16),
        )
        canvas.block((x, 300, x + 18, 482), 3, light(color, 0.25))
    label(canvas, (134, 304, 376, 458), subject.name, subject.pack, dark(subject.accent, 0.1))


def roll(subject: Subject) -> None:
    """Rolls of paper, foil or bags, banded together."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 110, 530)
    for left in (118, 322):
        right = left + 200
        canvas.ellipse((left, 452, right, 512), dark(color, 0.2), "side")
        canvas.block((left, 190, right, 482), 0, color, "side")
        canvas.ellipse((left, 156, right, 224), light(color, 0.35))
        for turn in (18, 36, 54):
            canvas.arc(
                (left + turn, 156 + turn * 0.34, right - turn, 224 - turn * 0.34),
                0,
                360,
                1.2,
                dark(color, 0.14),
            )
        canvas.ellipse((left + 66, 178, right - 66, 202), (150, 116, 84))
        canvas.ellipse((left + 72, 181, right - 72, 201), (84, 62, 44))
    label(canvas, (150, 288, 490, 438), subject.name, subject.pack, subject.accent, 14)


def scrubber(subject: Subject) -> None:
    """Balls of steel wool."""
    canvas = subject.canvas
    ground(subject, 110, 530)
    dice = subject.dice()
    for x, y, size in ((218, 400, 108), (424, 402, 106), (320, 290, 118)):
        canvas.circle(x, y, size, subject.color, "ball")
        for _ in range(70):
            turn, reach = dice.uniform(0, 360), dice.uniform(0.2, 0.72) * size
            cx, cy = x + dice.uniform(-0.28, 0.28) * size, y + dice.uniform(-0.28, 0.28) * size
            tone = light(subject.color, 0.5) if dice.random() < 0.5 else dark(subject.color, 0.3)
            canvas.arc(
                (cx - reach, cy - reach * 0.7, cx + reach, cy + reach * 0.7),
                turn,
                turn + dice.uniform(50, 170),
                2.2,
                tone,
            )


def broom(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 180, 460)
    dice = subject.dice()
    canvas.block((306, 40, 334, 250), 12, subject.accent, "side")
    for _ in range(150):
        spread = dice.uniform(-1, 1)
        tone = dark(color, dice.uniform(0, 0.35)) if dice.random() < 0.6 else light(color, 0.25)
        canvas.line(
            [
                (320 + spread * 26, 226),
                (320 + spread * 86, 350),
                (320 + spread * 136, FLOOR - abs(spread) * 16 - dice.uniform(0, 26)),
            ],
            3,
            tone,
        )
    canvas.block((288, 206, 352, 262), 10, dark(subject.accent, 0.15), "side")
    for y in (220, 234, 248):
        canvas.line([(292, y), (348, y)], 3, light(subject.accent, 0.5))


def toothbrush(subject: Subject) -> None:
    """A card with four brushes on it."""
    canvas = subject.canvas
    ground(subject, 170, 470)
    canvas.block((166, 70, 474, FLOOR + 2), 18, light(subject.color, 0.7), "down")
    canvas.block((294, 82, 346, 104), 11, dark(subject.color, 0.1))
    for index, tone in enumerate(((226, 84, 92), (74, 144, 217), (96, 178, 110), (240, 170, 60))):
        x = 208 + index * 75
        canvas.block((x - 9, 128, x + 9, 372), 9, tone, "side")
        canvas.block((x - 14, 124, x + 14, 196), 12, tone, "side")
        for row in range(5):
            canvas.block((x - 9, 130 + row * 12, x + 9, 138 + row * 12), 3, WHITE)
    label(canvas, (186, 356, 454, 484), subject.name, subject.pack, subject.accent, 12)


SHAPES: dict[str, Painter] = {
    painter.__name__: painter for painter in (block, roll, scrubber, broom, toothbrush)
}
