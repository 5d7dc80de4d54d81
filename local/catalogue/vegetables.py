"""Painters of vegetables, each in the pose it is known by."""

from __future__ import annotations

import math

from local.catalogue.canvas import dark, light, mirrored, mix, ring, smooth, turned
from local.catalogue.plants import GREEN, LEAF, leaf, placed, rotated
from local.catalogue.subject import FLOOR, Painter, Subject, ground


def tomato(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    for x, y, size in ((426, 376, 118), (222, 374, 122), (318, 330, 128)):
        canvas.ellipse((x - size, y - size * 0.9, x + size, y + size * 0.94), color, "ball")
        for turn in (200, 240, 280, 320, 20, 150):
            tip = turned(x, y - size * 0.74, size * 0.46, turn)
            canvas.line([(x, y - size * 0.76), tip], 9, GREEN)
        canvas.line([(x, y - size * 0.74), (x + 5, y - size * 1.02)], 9, GREEN)
        canvas.shadow(
            (x - size * 0.56, y - size * 0.5, x - size * 0.3, y - size * 0.14), 0.5, (255, 255, 255)
        )


def bulb(subject: Subject) -> None:
    """Onions: round, papery, with a dry tip."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    small = "Sambar" in subject.name
    spots = [(226, 388, 108), (418, 390, 106), (322, 352, 124)]
    if small:
        spots = [(186, 420, 72), (456, 422, 70), (400, 330, 76), (262, 326, 78), (320, 424, 80)]
    body = [
        (0, -1.0),
        (0.1, -0.94),
        (0.5, -0.72),
        (0.94, -0.2),
        (0.92, 0.36),
        (0.5, 0.8),
        (0, 0.92),
    ]
    for x, y, size in spots:
        canvas.line(
            [(x, y - size * 0.9), (x - 3, y - size * 1.16), (x + 7, y - size * 1.36)],
            size * 0.1,
            dark(color, 0.1),
        )
        canvas.shape(placed(mirrored(body, 0), x, y, size), color, "ball")
        for bend in (-0.62, -0.3, 0.05, 0.38, 0.68):
            canvas.line(
                [
                    (x, y - size * 0.92),
                    (x + bend * size * 0.8, y - size * 0.4),
                    (x + bend * size, y + size * 0.1),
                    (x + bend * size * 0.66, y + size * 0.66),
                ],
                1.8,
                dark(color, 0.22),
            )


def garlic(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    body = [
        (0, -1.1),
        (0.12, -1.06),
        (0.16, -0.72),
        (0.6, -0.4),
        (0.96, 0.16),
        (0.82, 0.66),
        (0.4, 0.86),
        (0, 0.84),
    ]
    for x, y, size in ((416, 390, 112), (252, 376, 132)):
        canvas.shape(placed(mirrored(body, 0), x, y, size), color, "ball")
        for bend in (-0.56, -0.2, 0.2, 0.56):
            canvas.line(
                [
                    (x + bend * size * 0.16, y - size * 0.8),
                    (x + bend * size * 0.8, y - size * 0.1),
                    (x + bend * size * 0.9, y + size * 0.4),
                    (x + bend * size * 0.4, y + size * 0.8),
                ],
                2.4,
                (206, 178, 186),
            )
    clove = [(0, -1), (0.5, -0.3), (0.62, 0.5), (0.2, 0.9), (-0.4, 0.8), (-0.44, 0)]
    canvas.shape(placed(rotated(clove, 64), 346, 466, 46), light(color, 0.3), "ball")


def tuber(subject: Subject) -> None:
    """Potatoes, round or long."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 110, 530)
    dice = subject.dice()
    sweet = "Sweet" in subject.name
    body = [
        (-1, 0),
        (-0.7, -0.6),
        (0, -0.74),
        (0.72, -0.62),
        (1, -0.02),
        (0.74, 0.58),
        (0, 0.7),
        (-0.72, 0.62),
    ]
    if sweet:
        body = [
            (-1.3, 0.1),
            (-0.7, -0.36),
            (0, -0.5),
            (0.7, -0.34),
            (1.3, -0.12),
            (0.7, 0.4),
            (0, 0.54),
            (-0.7, 0.4),
        ]
    for x, y, size, turn in ((410, 410, 118, 14), (226, 412, 120, -16), (318, 322, 126, -6)):
        canvas.shape(placed(rotated(body, turn), x, y, size), color, "ball")
        for _ in range(7):
            ex, ey = x + dice.uniform(-0.6, 0.6) * size, y + dice.uniform(-0.34, 0.4) * size
            canvas.ellipse((ex - 5, ey - 2, ex + 5, ey + 2.4), dark(color, 0.25))


def carrot(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 150, 490)
    root = [(0, -1.0), (0.24, -0.98), (0.26, -0.7), (0.16, 0.1), (0.06, 0.8), (0, 1.0)]
    for x, turn in ((214, 14), (426, -14), (320, 0)):
        crown = turned(x, 330, 150, turn - 90)
        for lean in (-34, -12, 12, 34):
            tip = turned(crown[0], crown[1], 104, turn + lean - 90)
            canvas.line([crown, tip], 9, LEAF if lean % 24 else GREEN)
            for share in (0.5, 0.7, 0.9):
                at = turned(*crown, 104 * share, turn + lean - 90)
                canvas.circle(*at, 11, mix(LEAF, GREEN, share))
        canvas.shape(placed(rotated(mirrored(root, 0), turn), x, 330, 168), color, "side")
        for share in (-0.5, -0.2, 0.14, 0.42):
            cx, cy = turned(x, 330, 168 * -share, turn - 90)
            canvas.line([(cx - 14, cy), (cx + 6, cy + 2)], 2, dark(color, 0.18))


def ginger(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 110, 530)
    knobs = (
        ((320, 400), (168, 84), 0),
        ((208, 330), (62, 100), -24),
        ((338, 300), (60, 104), 10),
        ((452, 350), (66, 92), 38),
        ((150, 424), (64, 52), 0),
        ((486, 438), (70, 48), 0),
    )
    oval = [(math.cos(math.radians(t)), math.sin(math.radians(t))) for t in range(0, 360, 20)]
    for (x, y), (wide, high), turn in knobs:
        shape = rotated([(px * wide, py * high) for px, py in oval], turn)
        canvas.shape([(x + px, y + py) for px, py in shape], color, "ball")
        for step in (-0.4, 0.0, 0.4):
            canvas.arc(
                (x - wide * 0.7, y + step * high - 12, x + wide * 0.7, y + step * high + 14),
                20,
                150,
                2,
                dark(color, 0.22),
            )
    canvas.ellipse((308, 196, 372, 232), light((244, 214, 120), 0.2))
    canvas.ellipse((180, 236, 226, 262), light((244, 214, 120), 0.2))


def leafy(subject: Subject) -> None:
    """A tied bunch of greens."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 220, 420)
    dice = subject.dice()
    broad = "Spinach" in subject.name
    for lean in range(-44, 45, 8):
        foot = (320 + lean * 0.9, FLOOR - 4)
        canvas.line(
            [foot, (320 + lean * 0.3, 392), turned(320, 392, 150, lean * 1.3 - 90)],
            8,
            light(color, 0.35),
        )
    for _ in range(46 if broad else 92):
        turn, reach = dice.uniform(-66, 66), dice.uniform(40, 214)
        x, y = turned(320, 376, reach, turn - 90)
        tone = mix(dark(color, 0.24), light(color, 0.2), dice.random())
        size = dice.uniform(78, 104) if broad else dice.uniform(38, 60)
        leaf(canvas, (x, y + 20), size, turn - 90 + dice.uniform(-34, 34), tone)
    canvas.block((286, 392, 354, 416), 9, (214, 82, 66), "side")


def pod(subject: Subject) -> None:
    """Okra or beans, side by side."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    okra = "Lady" in subject.name
    body = [(0, -1), (0.2, -0.92), (0.2, -0.3), (0.12, 0.5), (0, 1)]
    if not okra:
        body = [(0, -1), (0.07, -0.94), (0.09, 0), (0.07, 0.9), (0, 1)]
    turns = (-30, 26, -18, 16, -7, 6) if okra else (-40, 38, -28, 26, -18, 15, -8, 6, 0)
    for index, turn in enumerate(turns):
        x, y = 320 + turn * 3.4, 318 + (index % 3) * 8
        tone = mix(color, light(color, 0.25), (index % 3) / 2)
        canvas.shape(placed(rotated(mirrored(body, 0), turn), x, y, 178), tone, "side")
        top, low = turned(x, y, 172, turn - 90), turned(x, y, 120, turn + 90)
        canvas.line([turned(x, y, 120, turn - 90), low], 2, dark(tone, 0.2))
        canvas.line([top, turned(x, y, 198, turn - 90)], 10 if okra else 5, dark(tone, 0.25))


def chilli(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    curve = [
        (0.02, -1),
        (0.12, -0.96),
        (0.14, -0.6),
        (0.1, 0),
        (0.18, 0.6),
        (0.4, 1.0),
        (0.08, 0.7),
        (-0.06, 0.1),
        (-0.11, -0.5),
        (-0.1, -0.94),
    ]
    for index, turn in enumerate((-52, 46, -36, 32, -20, 18, -6, 6)):
        x, y = 316 + turn * 2.6, 326 + (index % 2) * 18
        canvas.shape(
            placed(rotated(curve, turn), x, y, 168),
            mix(color, light(color, 0.2), index / 8),
            "ball",
        )
        cap = turned(x, y, 164, turn - 86)
        canvas.circle(*cap, 15, dark(color, 0.2), "ball")
        canvas.line([cap, turned(x, y, 208, turn - 80)], 7, dark(color, 0.12))


def gourd(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 150, 490)
    body = [(0, -1.0), (0.2, -0.96), (0.28, -0.5), (0.36, 0.1), (0.5, 0.6), (0.36, 0.94), (0, 1.02)]
    for x, turn, size in ((400, 26, 190), (262, 14, 204)):
        canvas.shape(placed(rotated(mirrored(body, 0), turn), x, 304, size), color, "ball")
        top = turned(x, 304, size * 0.96, turn - 90)
        canvas.line([top, (top[0] + 6, top[1] - 34), (top[0] + 22, top[1] - 48)], 10, GREEN)


def cucumber(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 110, 530)
    body = [(0, -1.0), (0.2, -0.94), (0.27, -0.4), (0.27, 0.4), (0.2, 0.92), (0, 1.0)]
    for x, y, turn in ((330, 300, 74), (310, 382, 82)):
        canvas.shape(placed(rotated(mirrored(body, 0), turn), x, y, 204), color, "down")
        for shift in (-24, 0, 24):
            ends = [turned(x, y + shift, reach, turn - 90) for reach in (-150, 150)]
            canvas.line(ends, 3, light(color, 0.3))
    for x, y in ((196, 452), (286, 462), (376, 458)):
        canvas.ellipse((x - 52, y - 44, x + 52, y + 46), dark(color, 0.1))
        canvas.ellipse((x - 46, y - 40, x + 46, y + 40), (226, 240, 192))
        for sx, sy in ring(x, y, 22, 9):
            canvas.ellipse((sx - 3, sy - 6, sx + 3, sy + 6), (190, 214, 140))


def brinjal(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 140, 500)
    body = [(0, -0.9), (0.3, -0.82), (0.44, -0.3), (0.7, 0.3), (0.6, 0.8), (0, 1.0)]
    for x, turn, size in ((410, 18, 168), (252, -10, 182)):
        canvas.shape(placed(rotated(mirrored(body, 0), turn), x, 330, size), color, "ball")
        top = turned(x, 330, size * 0.84, turn - 90)
        for lean in (-70, -34, 0, 34, 70):
            canvas.line([top, turned(*top, 54, turn + lean + 90)], 16, GREEN)
        canvas.line([top, turned(*top, 46, turn - 90)], 14, dark(GREEN, 0.2))
        canvas.shadow(
            (x - size * 0.44, 330, x - size * 0.26, 330 + size * 0.5), 0.5, (255, 255, 255)
        )


def cauliflower(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 130, 510)
    for turn in (-78, 78, -50, 50):
        leaf(canvas, (320 + turn * 0.5, FLOOR - 16), 260, turn - 90, (120, 172, 84))
    dice = subject.dice()
    for reach in (118, 88, 56, 22):
        for x, y in ring(320, 306, reach, max(4, reach // 7)):
            size = dice.uniform(32, 44)
            canvas.circle(
                x, y * 0.94 + 20, size, mix(color, dark(color, 0.12), reach / 200), "ball"
            )
    for turn in (-34, 0, 34):
        leaf(canvas, (320 + turn * 1.4, FLOOR + 2), 156, turn - 90, (142, 190, 96))


def cabbage(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 140, 500)
    for x, lean in ((214, -1), (426, 1)):
        outer = smooth(
            [
                (320, FLOOR),
                (x, 490),
                (x + lean * 62, 390),
                (x + lean * 46, 250),
                (x - lean * 10, 186),
                (320, 260),
            ]
        )
        canvas.shape(outer, dark(color, 0.2), "ball")
    canvas.circle(320, 338, 160, color, "ball")
    for bend in (-120, -74, -26, 26, 74, 120):
        canvas.line(
            [(320, 490), (320 + bend * 0.9, 400), (320 + bend, 300), (320 + bend * 0.66, 216)],
            4,
            light(color, 0.55),
        )
    for x, lean in ((208, -1), (432, 1)):
        front = smooth(
            [
                (320, FLOOR + 2),
                (x + lean * 20, 494),
                (x + lean * 44, 420),
                (x - lean * 8, 350),
                (320 + lean * 24, 452),
            ]
        )
        canvas.shape(front, dark(color, 0.08), "ball")
        canvas.line([(326, 494), (x + lean * 6, 430)], 5, light(color, 0.5))


def capsicum(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 130, 510)
    for x, y, size in ((410, 358, 128), (246, 352, 144)):
        for dx, share in ((-0.5, 0.9), (0.5, 0.9), (0.0, 1.0)):
            lobe = (
                x + dx * size - size * 0.5,
                y - size * 0.84,
                x + dx * size + size * 0.5,
                y + size * share,
            )
            canvas.ellipse(lobe, color, "ball")
        canvas.ellipse(
            (x - size * 0.4, y - size * 0.86, x + size * 0.4, y - size * 0.6), dark(color, 0.25)
        )
        canvas.line(
            [(x, y - size * 0.74), (x + 4, y - size), (x + 22, y - size * 1.18)],
            16,
            light(GREEN, 0.1),
        )


def corn(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 150, 490)
    for x, turn in ((234, -13), (406, 13)):
        for row in range(19):
            share = row / 18
            width = 58 * math.sin(math.pi * (0.16 + 0.74 * share)) ** 0.6
            for column in range(-2, 3):
                cx, cy = turned(x, 318, 190 - share * 316, turn - 90)
                kx = cx + column * width * 0.42
                canvas.ellipse(
                    (kx - 15, cy - 12, kx + 15, cy + 12),
                    mix(color, dark(color, 0.2), abs(column) / 3),
                    "ball",
                )
        foot = turned(x, 318, -176, turn - 90)
        for lean in (-34, 34, -15, 15):
            leaf(
                canvas,
                foot,
                248 - abs(lean) * 1.4,
                turn + lean - 90,
                mix(LEAF, (190, 214, 120), (34 - abs(lean)) / 40),
            )


def mushroom(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 120, 520)
    for x, y, size in ((428, 376, 106), (212, 378, 102), (318, 372, 122)):
        stem = mirrored([(0, 0.0), (0.36, 0.0), (0.32, 0.6), (0.42, 0.96), (0, 1.04)], 0)
        canvas.shape(placed(smooth(stem), x, y, size), light(color, 0.3), "side")
        canvas.ellipse(
            (x - size * 0.94, y - size * 0.16, x + size * 0.94, y + size * 0.3), (186, 152, 128)
        )
        cap = mirrored(
            [(0, -0.92), (0.5, -0.8), (0.94, -0.3), (0.98, 0.1), (0.5, 0.18), (0, 0.2)], 0
        )
        canvas.shape(placed(smooth(cap), x, y, size), color, "ball")


SHAPES: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (
        tomato,
        bulb,
        garlic,
        tuber,
        carrot,
        ginger,
        leafy,
        pod,
        chilli,
        gourd,
        cucumber,
        brinjal,
        cauliflower,
        cabbage,
        capsicum,
        corn,
        mushroom,
    )
}
