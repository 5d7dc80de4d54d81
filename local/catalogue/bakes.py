"""Painters of what the bakery sells: loaves, buns, cakes and cookies."""

from __future__ import annotations

from local.catalogue.canvas import RGB, Canvas, dark, light, mirrored, mix, smooth
from local.catalogue.lettering import label
from local.catalogue.subject import FLOOR, Painter, Subject, ground


def loaf(subject: Subject) -> None:
    """A sliced loaf with a paper band."""
    canvas, crust = subject.canvas, dark(subject.color, 0.22)
    ground(subject, 110, 530)
    face = mirrored(
        [
            (0, 196),
            (60, 194),
            (122, 214),
            (140, 262),
            (118, 300),
            (116, 470),
            (104, FLOOR),
            (0, FLOOR + 2),
        ],
        0,
    )
    for step in range(7):
        x = 412 - step * 26.0
        outline = smooth([(x + px, py) for px, py in face])
        canvas.shape(outline, dark(crust, 0.24 - step * 0.03), "down")
    front = 240.0
    canvas.shape(smooth([(front + px, py) for px, py in face]), crust, "down")
    crumb = [(front + px * 0.9, FLOOR + (py - FLOOR) * 0.94 - 6) for px, py in face]
    canvas.shape(smooth(crumb), light(subject.color, 0.45), "ball")
    dice = subject.dice()
    grainy = "White" not in subject.name and "Milk" not in subject.name
    for _ in range(60):
        x, y = front + dice.uniform(-96, 96), dice.uniform(232, 480)
        tone = dark(subject.color, 0.3) if grainy else light(subject.color, 0.15)
        canvas.ellipse((x - 3.4, y - 2, x + 3.4, y + 2), tone)
    label(canvas, (134, 322, 346, 464), subject.name, subject.pack, subject.accent, 12)


def baguette(subject: Subject) -> None:
    """Crusty long loaves with slashes."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 70, 570)
    for y, shift in ((300, 26), (404, -14)):
        left, right = 76 + shift, 560 + shift
        crust = smooth(
            [
                (left, y + 26),
                (left + 50, y - 40),
                (320, y - 62),
                (right - 50, y - 40),
                (right, y + 26),
                (right - 60, y + 82),
                (320, y + 96),
                (left + 60, y + 82),
            ]
        )
        canvas.shape(crust, color, "down")
        for index in range(6):
            x = left + 62 + index * 70
            slash = smooth([(x, y + 44), (x + 26, y - 6), (x + 66, y - 34), (x + 44, y + 10)])
            canvas.shape(slash, light(color, 0.58))


def bun(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 90, 550)
    if "Pav" in subject.name:
        _joined_rolls(canvas, color)
        return
    dice = subject.dice()
    for x, y, size in ((318, 316, 122), (216, 402, 132), (426, 406, 130)):
        canvas.ellipse((x - size, y - 8, x + size, y + size * 0.72), light(color, 0.5), "down")
        dome = mirrored(
            [(0, -0.82), (0.5, -0.74), (0.94, -0.2), (0.98, 0.16), (0.5, 0.3), (0, 0.32)], 0
        )
        canvas.shape(smooth([(x + px * size, y + py * size) for px, py in dome]), color, "ball")
        for _ in range(24):
            sx, sy = x + dice.uniform(-0.6, 0.6) * size, y + dice.uniform(-0.62, -0.06) * size
            topping: RGB = (252, 236, 196)
            if "Fruit" in subject.name:
                topping = dice.choice([(206, 58, 60), (92, 148, 70), (244, 196, 60)])
            canvas.ellipse((sx - 5, sy - 3, sx + 5, sy + 3), topping)


def _joined_rolls(canvas: Canvas, color: RGB) -> None:
    for y in (300, 400):
        for x in (184, 320, 456):
            canvas.block((x - 74, y - 74, x + 74, y + 98), 46, light(color, 0.4), "down")
            canvas.block((x - 74, y - 78, x + 74, y + 50), 52, color, "ball")


def croissant(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 90, 550)
    for x, y, size in ((356, 300, 0.86), (300, 392, 1.0)):
        segments = [
            (-186, 46, 44),
            (186, 46, 44),
            (-130, 2, 66),
            (130, 2, 66),
            (-68, -28, 84),
            (68, -28, 84),
            (0, -38, 96),
        ]
        for dx, dy, radius in segments:
            cx, cy, reach = x + dx * size, y + dy * size, radius * size
            canvas.ellipse(
                (cx - reach * 0.74, cy - reach, cx + reach * 0.74, cy + reach * 0.96),
                mix(color, dark(color, 0.3), abs(dx) / 500),
                "ball",
            )
            canvas.arc(
                (cx - reach * 0.6, cy - reach * 0.9, cx + reach * 0.6, cy + reach * 0.8),
                200,
                340,
                3,
                light(color, 0.4),
            )


def disc(subject: Subject) -> None:
    """A stack of flat rounds."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 90, 550)
    dice = subject.dice()
    for step in range(5):
        top = 372 - step * 30
        canvas.ellipse((92, top + 14, 548, top + 150), dark(color, 0.3), "down")
        canvas.ellipse((92, top, 548, top + 134), mix(color, dark(color, 0.08), step % 2))
    for _ in range(46):
        x, y = dice.gauss(320, 92), dice.gauss(318, 24)
        if abs(x - 320) < 200 and abs(y - 318) < 48:
            size = dice.uniform(4, 13)
            canvas.ellipse(
                (x - size, y - size * 0.4, x + size, y + size * 0.4),
                mix(color, (150, 96, 44), dice.uniform(0.2, 0.5)),
            )


def cake(subject: Subject) -> None:
    """A loaf cake with a slice cut and standing in front."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 90, 550)
    canvas.ellipse((70, 446, 570, 522), light(subject.accent, 0.75), "down")
    canvas.ellipse((92, 450, 548, 508), light(subject.accent, 0.92))
    canvas.shape([(170, 270), (232, 216), (524, 216), (470, 270)], dark(color, 0.05), "down")
    canvas.shape([(470, 270), (524, 216), (524, 416), (470, 470)], dark(color, 0.42))
    canvas.block((168, 266, 472, 474), 12, dark(color, 0.2), "down")
    canvas.block((176, 284, 464, 466), 8, light(color, 0.06))
    if "Sponge" in subject.name:
        canvas.block((176, 364, 464, 384), 0, (255, 250, 236))
    dice = subject.dice()
    studs: tuple[RGB, ...] = ((40, 22, 16), (232, 196, 150), (168, 46, 48))
    if "Sponge" in subject.name:
        studs = (dark(color, 0.12), light(color, 0.5), light(color, 0.6))
    for _ in range(44):
        x, y = dice.uniform(192, 450), dice.uniform(298, 454)
        canvas.ellipse((x - 6, y - 4, x + 6, y + 4), dice.choice(studs))
    canvas.block((106, 300, 150, 480), 8, dark(color, 0.3), "down")
    canvas.block((128, 300, 176, 482), 6, light(color, 0.12), "side")


def muffin(subject: Subject) -> None:
    canvas, color = subject.canvas, subject.color
    ground(subject, 110, 530)
    dough: RGB = (226, 178, 106)
    dice = subject.dice()
    for x, y, size in ((418, 354, 116), (238, 350, 136)):
        sides = mirrored([(0, 0.0), (0.86, 0.0), (0.64, 1.06), (0, 1.1)], 0)
        paper = [(x + px * size, y + py * size) for px, py in sides]
        canvas.shape(paper, mix(color, (255, 255, 255), 0.45), "side")
        for fold in range(-5, 6):
            fold_ends = [(x + fold * size * 0.16, y + 8), (x + fold * size * 0.12, y + size * 1.04)]
            canvas.line(fold_ends, 2.4, mix(color, (255, 255, 255), 0.15))
        top = mirrored([(0, -0.92), (0.56, -0.76), (0.98, -0.22), (0.94, 0.14), (0, 0.24)], 0)
        canvas.shape(smooth([(x + px * size, y + py * size) for px, py in top]), dough, "ball")
        for _ in range(13):
            bx, by = x + dice.uniform(-0.7, 0.7) * size, y + dice.uniform(-0.56, 0.06) * size
            canvas.circle(bx, by, dice.uniform(8, 12), dark(color, 0.3), "ball")


def cookies(subject: Subject) -> None:
    """Two stacks and one cookie that leans on them."""
    canvas, color = subject.canvas, subject.color
    ground(subject, 90, 550)
    for middle, count in ((222, 7), (432, 5)):
        left, right = middle - 104, middle + 104
        for step in range(count):
            top = 432 - step * 36
            canvas.ellipse((left, top, right, top + 76), dark(color, 0.34))
            canvas.ellipse((left, top - 14, right, top + 58), color, "down")
    dice = subject.dice()
    canvas.circle(396, 384, 112, dark(color, 0.3))
    canvas.circle(390, 382, 110, color, "ball")
    chips = "Chip" in subject.name
    for _ in range(15 if chips else 26):
        x, y = 390 + dice.uniform(-72, 72), 382 + dice.uniform(-72, 72)
        if chips:
            canvas.block((x - 11, y - 9, x + 11, y + 9), 5, (66, 36, 22), "ball")
        else:
            canvas.circle(x, y, 3, dark(color, 0.22))


SHAPES: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (loaf, baguette, bun, croissant, disc, cake, muffin, cookies)
}
