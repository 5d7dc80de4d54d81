"""Painters of fruit, each in the pose it is known by."""

from __future__ import annotations

from local.catalogue.canvas import RGB, Canvas, dark, light, mirrored, mix, ring, smooth, turned
from local.catalogue.plants import GREEN, LEAF, STEM, leaf, placed, rotated
from local.catalogue.subject import FLOOR, Painter, Subject, ground


def apple(subject: Subject) -> None:
    """Two apples, one behind the other."""
    ground(subject, 130, 510)
    for x, y, size in ((402, 346, 122), (258, 366, 136)):
        _apple(subject.canvas, x, y, size, subject.color)


def _apple(canvas: Canvas, x: float, y: float, size: float, color: RGB) -> None:
    outline = [
        (0, -0.78),
        (0.3, -0.92),
        (0.72, -0.82),
        (0.98, -0.32),
        (0.88, 0.36),
        (0.52, 0.88),
        (0.2, 0.98),
        (0, 0.9),
    ]
    canvas.shape(placed(mirrored(outline, 0), x, y, size), color, "ball")
    canvas.shadow((x - size * 0.2, y - size * 0.84, x + size * 0.2, y - size * 0.62), 0.26)
    canvas.line(
        [(x, y - size * 0.72), (x + 4, y - size * 0.98), (x + 12, y - size * 1.12)], 7, STEM
    )
    leaf(canvas, (x + 10, y - size * 0.94), size * 0.56, -28)
    canvas.shadow(
        (x - size * 0.6, y - size * 0.56, x - size * 0.34, y - size * 0.06), 0.42, (255, 255, 255)
    )


def citrus(subject: Subject) -> None:
    """A whole fruit and a half that shows its segments."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 130, 510)
    canvas.circle(250, 350, 142, color, "ball")
    for x, y in ring(250, 350, 118, 26) + ring(250, 350, 84, 18) + ring(250, 350, 46, 10):
        canvas.circle(x, y, 1.8, dark(color, 0.14))
    canvas.circle(250, 216, 9, GREEN)
    leaf(canvas, (252, 214), 74, -24)
    canvas.circle(416, 398, 102, color, "ball")
    canvas.circle(412, 398, 92, light(color, 0.82))
    for index in range(9):
        start = index * 40 + 4
        rim = [turned(412, 398, 82, start + step) for step in range(0, 33, 4)]
        canvas.shape([turned(412, 398, 12, start + 16), *rim], light(color, 0.22))
        canvas.line(
            [turned(412, 398, 30, start + 16), turned(412, 398, 66, start + 16)],
            3,
            light(color, 0.45),
        )
    canvas.circle(412, 398, 8, light(color, 0.8))


def pomegranate(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 130, 510)
    canvas.circle(252, 346, 146, color, "ball")
    crown = [(222, 222), (214, 168), (236, 190), (252, 160), (268, 190), (290, 168), (282, 222)]
    canvas.shape(crown, dark(color, 0.15), "ball")
    canvas.circle(420, 396, 102, dark(color, 0.1), "ball")
    canvas.circle(416, 396, 90, (247, 226, 196))
    dice = subject.dice()
    for radius, count in ((70, 17), (46, 11), (22, 6)):
        for x, y in ring(416, 396, radius, count):
            size = dice.uniform(9, 12)
            canvas.circle(x, y, size, (178, 24, 52), "ball")
            canvas.circle(x - 3, y - 3, 2.4, (255, 170, 180))


def mango(subject: Subject) -> None:
    ground(subject, 120, 520)
    canvas, color = subject.canvas, subject.color
    body = [
        (-0.1, -0.92),
        (0.4, -0.86),
        (0.82, -0.46),
        (0.98, 0.1),
        (0.76, 0.66),
        (0.24, 0.98),
        (-0.36, 0.9),
        (-0.76, 0.5),
        (-0.74, -0.02),
        (-0.52, -0.56),
    ]
    blush = mix(color, (214, 62, 40), 0.0 if color[1] > color[0] else 0.55)
    for x, y, size, turn in ((412, 354, 122, 16), (254, 360, 140, -8)):
        canvas.shape(placed(rotated(body, turn), x, y, size), color, "ball")
        canvas.shadow(
            (x + size * 0.1, y - size * 0.66, x + size * 0.62, y - size * 0.1), 0.5, blush
        )
        canvas.shadow(
            (x - size * 0.5, y - size * 0.4, x - size * 0.24, y + size * 0.1),
            0.4,
            light(color, 0.9),
        )
        top = (x - size * 0.12 + turn * 0.9, y - size * 0.88)
        canvas.line([top, (top[0] + 3, top[1] - 22)], 7, STEM)
    leaf(canvas, (232, 226), 104, -150)


def banana(subject: Subject) -> None:
    """A hand of bananas."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    for shift, tone in ((0, dark(color, 0.16)), (1, dark(color, 0.07)), (2, color)):
        top, reach = 132 - shift * 4.0, 40 * shift
        outer = [
            (408 - shift * 8, top),
            (424 - reach * 0.5, 250),
            (388 - reach, 372 + reach * 0.3),
            (290 - reach * 0.8, 456 + reach * 0.4),
            (160 - reach * 0.3, 440 + reach * 0.56),
        ]
        inner = [
            (150 - reach * 0.3, 414 + reach * 0.56),
            (250 - reach * 0.8, 396 + reach * 0.4),
            (318 - reach, 330 + reach * 0.3),
            (352 - reach * 0.6, 240),
            (372 - shift * 6, top + 4),
        ]
        canvas.shape(smooth([*outer, *inner]), tone, "ball")
        ridge = [
            ((a[0] + b[0]) / 2 + 14, (a[1] + b[1]) / 2)
            for a, b in zip(outer[1:4], reversed(inner[1:4]), strict=True)
        ]
        canvas.line(ridge, 2.4, dark(tone, 0.14))
        canvas.circle(outer[-1][0] - 4, (outer[-1][1] + inner[0][1]) / 2, 9, (84, 62, 36))
    canvas.shape([(372, 86), (410, 82), (420, 150), (360, 150)], (126, 122, 50), "side")


def grapes(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 200, 440, 0.36)
    canvas.line([(320, 150), (324, 106), (344, 84)], 9, STEM)
    leaf(canvas, (326, 130), 128, -158)
    leaf(canvas, (330, 128), 116, -24)
    dice = subject.dice()
    for row, count in enumerate((5, 6, 5, 6, 5, 4, 3, 2, 1)):
        for index in range(count):
            x = 320 + (index - (count - 1) / 2) * 50 + dice.uniform(-5, 5)
            y = 172 + row * 37 + dice.uniform(-4, 4)
            tone = mix(color, (255, 255, 255), dice.uniform(0, 0.12))
            canvas.ellipse((x - 29, y - 31, x + 29, y + 31), tone, "ball")
            canvas.circle(x - 9, y - 11, 4, light(tone, 0.7))


def pineapple(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 220, 420)
    for turn in (-62, 62, -44, 44, -26, 26, -9, 9):
        tip = turned(320, 214, 150 - abs(turn) * 0.4, turn - 90)
        base = [turned(320, 224, 24, turn + side - 90) for side in (-70, 70)]
        canvas.shape([base[0], tip, base[1]], mix(LEAF, (30, 90, 60), abs(turn) / 90), "down")
    body = smooth(
        [
            (320, 188),
            (392, 212),
            (428, 300),
            (424, 410),
            (384, 486),
            (320, FLOOR + 2),
            (256, 486),
            (216, 410),
            (212, 300),
            (248, 212),
        ]
    )
    canvas.shape(body, color, "ball")
    canvas.inside(body, lambda layer: _diamonds(layer, color))


def _diamonds(canvas: Canvas, color: RGB) -> None:
    for shift in range(-360, 400, 40):
        canvas.line([(320 + shift - 170, 170), (320 + shift + 170, 510)], 3, dark(color, 0.32))
        canvas.line([(320 + shift + 170, 170), (320 + shift - 170, 510)], 3, dark(color, 0.32))
    for row in range(18):
        for column in range(7):
            x, y = 200 + column * 40 + (row % 2) * 20, 180 + row * 20
            canvas.circle(x, y, 4, light(color, 0.4))


def melon(subject: Subject) -> None:
    """A whole melon and a wedge of its flesh."""
    canvas, color = subject.canvas, subject.color
    striped = color[1] > color[0]
    flesh: RGB = (226, 62, 66) if striped else (246, 168, 92)
    ground(subject, 110, 530)
    globe = smooth([turned(270, 336, 162, turn) for turn in range(0, 360, 20)])
    canvas.circle(270, 336, 162, color, "ball")
    canvas.inside(globe, lambda layer: _rind(layer, color, striped=striped))
    canvas.line([(270, 178), (276, 152)], 9, (110, 124, 58))
    rim = [turned(424, 372, 150, turn) for turn in range(0, 181, 6)]
    for shrink, tone in ((1.0, dark(color, 0.1)), (0.92, light(color, 0.75)), (0.84, flesh)):
        wedge = [(424 + (x - 424) * shrink, 372 + (y - 372) * shrink) for x, y in rim]
        canvas.shape(wedge, tone)
    for x, y in (
        (350, 400),
        (390, 424),
        (430, 408),
        (470, 426),
        (496, 396),
        (420, 450),
        (380, 388),
        (458, 386),
    ):
        seed = (48, 30, 24) if striped else (250, 226, 170)
        canvas.ellipse((x - 5, y - 8, x + 5, y + 8), seed)


def _rind(canvas: Canvas, color: RGB, *, striped: bool) -> None:
    if striped:
        for bend in (-128, -82, -34, 14, 62, 110):
            canvas.line(
                [
                    (270 + bend * 0.3, 176),
                    (270 + bend, 256),
                    (270 + bend * 1.22, 336),
                    (270 + bend, 416),
                    (270 + bend * 0.3, 496),
                ],
                15,
                dark(color, 0.42),
            )
        return
    for shift in range(-300, 320, 34):
        canvas.line([(270 + shift - 150, 170), (270 + shift + 150, 500)], 2.4, light(color, 0.45))
        canvas.line([(270 + shift + 150, 170), (270 + shift - 150, 500)], 2.4, light(color, 0.45))


def papaya(subject: Subject) -> None:
    """A whole papaya and a half with its black seeds."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 130, 500)
    body = [(0, -1.0), (0.26, -0.92), (0.42, -0.4), (0.62, 0.24), (0.52, 0.78), (0, 1.0)]
    whole = placed(rotated(mirrored(body, 0), -20), 248, 318, 190)
    canvas.shape(whole, mix(color, (110, 160, 60), 0.5), "ball")
    for shrink, tone in (
        (1.0, mix(color, (150, 160, 60), 0.5)),
        (0.92, light(color, 0.1)),
        (0.42, dark(color, 0.25)),
    ):
        half = placed(rotated(mirrored(body, 0), 14), 404, 330, 176 * shrink)
        canvas.shape(half, tone, "" if shrink < 0.9 else "ball")
    dice = subject.dice()
    for _ in range(34):
        x, y = 400 + dice.uniform(-24, 24), 340 + dice.uniform(-46, 50)
        canvas.circle(x, y, 6.5, (44, 38, 34))
        canvas.circle(x - 2, y - 2, 1.8, (140, 130, 120))


def pear(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 130, 510)
    body = [(0, -1.0), (0.26, -0.94), (0.4, -0.5), (0.66, 0.0), (0.76, 0.5), (0.5, 0.92), (0, 0.98)]
    if "Guava" in subject.name:
        body = [
            (0, -0.94),
            (0.34, -0.88),
            (0.66, -0.46),
            (0.86, 0.1),
            (0.78, 0.64),
            (0.46, 0.94),
            (0, 0.98),
        ]
    for x, y, size in ((404, 340, 158), (254, 332, 172)):
        canvas.shape(placed(mirrored(body, 0), x, y, size), color, "ball")
        canvas.line([(x, y - size * 0.94), (x + 10, y - size * 1.16)], 7, STEM)
        for dx, dy in ((-0.2, 0.3), (0.14, 0.5), (0.3, 0.2), (-0.36, 0.6), (0.02, 0.74)):
            canvas.circle(x + dx * size, y + dy * size, 2, dark(color, 0.25))
    leaf(canvas, (262, 146), 90, -26)


def strawberry(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    body = [(0, -0.86), (0.5, -0.9), (0.86, -0.52), (0.78, 0.1), (0.42, 0.7), (0, 1.0)]
    for x, y, size in ((420, 356, 128), (226, 356, 132), (322, 392, 116)):
        canvas.shape(placed(mirrored(body, 0), x, y, size), color, "ball")
        for row, count in ((-0.4, 4), (-0.1, 4), (0.2, 3), (0.5, 2)):
            for index in range(count):
                sx = x + (index - (count - 1) / 2) * size * 0.34
                sy = y + (row + (index % 2) * 0.08) * size
                canvas.ellipse((sx - 3, sy - 5, sx + 3, sy + 5), (252, 214, 120))
        for turn in (-150, -120, -90, -60, -30):
            leaf(canvas, (x, y - size * 0.8), size * 0.5, turn + 90 if turn > -90 else turn - 90)
        canvas.line([(x, y - size * 0.8), (x + 6, y - size * 1.1)], 6, LEAF)


def coconut(subject: Subject) -> None:
    """A tender coconut with a straw."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 170, 470)
    canvas.line([(350, 220), (398, 74), (444, 60)], 13, (238, 92, 84))
    body = smooth(
        [
            (200, 210),
            (320, 190),
            (440, 210),
            (482, 320),
            (452, 440),
            (380, FLOOR),
            (260, FLOOR),
            (188, 440),
            (158, 320),
        ]
    )
    canvas.shape(body, color, "ball")
    canvas.ellipse((206, 184, 434, 252), light(color, 0.72))
    canvas.ellipse((240, 196, 400, 242), (252, 250, 240))
    canvas.ellipse((262, 204, 378, 236), (206, 222, 214))
    canvas.line([(344, 222), (360, 176)], 13, (238, 92, 84))


SHAPES: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (
        apple,
        citrus,
        pomegranate,
        mango,
        banana,
        grapes,
        pineapple,
        melon,
        papaya,
        pear,
        strawberry,
        coconut,
    )
}
