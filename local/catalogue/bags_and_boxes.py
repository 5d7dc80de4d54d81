"""Painters of what comes in paper, card or film: bags, boxes, cartons, wraps."""

from __future__ import annotations

from local.catalogue.canvas import RGB, WHITE, Canvas, Point, dark, light, mix, smooth
from local.catalogue.lettering import label
from local.catalogue.packaging import emblem, window
from local.catalogue.subject import FLOOR, Painter, Subject, ground

CREAM: RGB = (250, 243, 226)


def pouch(subject: Subject) -> None:
    """A stand-up bag with a window on what it holds."""
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 180, 460)
    outline = [
        (196, 92),
        (444, 92),
        (450, 250),
        (464, 470),
        (440, FLOOR),
        (320, FLOOR + 5),
        (200, FLOOR),
        (176, 470),
        (190, 250),
    ]
    canvas.shape(outline, body, "side")
    canvas.shape([(196, 92), (444, 92), (445, 124), (195, 124)], dark(body, 0.22))
    for y in (101, 108, 115):
        canvas.line([(204, y), (436, y)], 1.2, light(body, 0.25))
    canvas.circle(320, 140, 9, dark(body, 0.4))
    window(
        subject,
        smooth(
            [
                (320, 322),
                (410, 350),
                (430, 410),
                (396, 462),
                (320, 474),
                (244, 462),
                (210, 410),
                (230, 350),
            ]
        ),
    )
    label(canvas, (206, 166, 434, 310), subject.name, subject.pack, dark(subject.accent, 0.1))
    canvas.gloss((204, 130, 214, 470), 5, 0.25)


def sack(subject: Subject) -> None:
    """A big woven bag, sewn shut at the top."""
    canvas, body = subject.canvas, mix(subject.color, CREAM, 0.4)
    ground(subject, 150, 490)
    outline = smooth(
        [
            (190, 84),
            (320, 78),
            (450, 84),
            (462, 130),
            (486, 290),
            (480, 450),
            (456, FLOOR),
            (320, FLOOR + 6),
            (184, FLOOR),
            (160, 450),
            (154, 290),
            (178, 130),
        ]
    )
    canvas.shape(outline, body, "side")
    canvas.inside(outline, lambda layer: _sack_bands(layer, subject.accent, body))
    for x in range(196, 448, 16):
        canvas.line([(x, 104), (x + 8, 104)], 3, subject.accent)
    if subject.texture:
        window(
            subject,
            [
                (x, y * 0.62 + 240)
                for x, y in smooth(
                    [
                        (320, 180),
                        (420, 212),
                        (452, 270),
                        (420, 330),
                        (320, 358),
                        (220, 330),
                        (188, 270),
                        (220, 212),
                    ]
                )
            ],
            tint=subject.accent,
        )
        label(canvas, (188, 142, 452, 318), subject.name, subject.pack, subject.accent, 14)
    else:
        canvas.circle(320, 282, 132, light(subject.color, 0.75))
        label(canvas, (192, 206, 448, 362), subject.name, subject.pack, subject.accent, 14)


def _sack_bands(canvas: Canvas, accent: RGB, body: RGB) -> None:
    for top, bottom, color in ((430, 446, accent), (454, 459, accent), (60, 112, dark(body, 0.1))):
        canvas.block((140, top, 500, bottom), 0, color)


def packet(subject: Subject) -> None:
    """A pillow bag with crimped ends."""
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 176, 464)
    top = [(176 + step * 16, 84 + (step % 2) * 9) for step in range(19)]
    bottom = [(464 - step * 16, FLOOR + 2 - (step % 2) * 9) for step in range(19)]
    outline: list[Point] = [
        *top,
        (464, 120),
        (474, 200),
        (466, 300),
        (474, 400),
        (464, 470),
        *bottom,
        (176, 470),
        (166, 400),
        (174, 300),
        (166, 200),
        (176, 120),
    ]
    canvas.shape(outline, body, "side")
    for y in (98, 106, 114, 474, 482):
        canvas.line([(182, y), (458, y)], 1.3, dark(body, 0.2))
    window(
        subject,
        smooth(
            [
                (320, 296),
                (420, 318),
                (446, 382),
                (416, 446),
                (320, 466),
                (224, 446),
                (194, 382),
                (220, 318),
            ]
        ),
    )
    label(canvas, (196, 140, 444, 288), subject.name, subject.pack, dark(subject.accent, 0.12), 18)
    canvas.gloss((186, 128, 198, 460), 6, 0.28)
    canvas.gloss((446, 160, 452, 430), 3, 0.2)


def box(subject: Subject) -> None:
    """A folding carton seen a little from the side."""
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 180, 490)
    canvas.shape([(436, 130), (484, 104), (484, 474), (436, FLOOR)], dark(body, 0.34))
    canvas.shape([(176, 130), (228, 104), (484, 104), (436, 130)], light(body, 0.3))
    canvas.shape([(176, 130), (436, 130), (436, FLOOR), (176, FLOOR)], body, "down")
    canvas.shape([(176, 330), (436, 286), (436, FLOOR), (176, FLOOR)], light(body, 0.75))
    canvas.shape([(176, 326), (436, 282), (436, 292), (176, 336)], dark(subject.accent, 0.15))
    emblem(subject, (306, 412), 64)
    label(canvas, (194, 152, 418, 306), subject.name, subject.pack, dark(subject.accent, 0.15))


def carton(subject: Subject) -> None:
    """A gable-topped drink carton."""
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 200, 470)
    canvas.shape([(410, 190), (460, 168), (460, 478), (410, FLOOR)], dark(body, 0.34))
    canvas.shape([(410, 190), (460, 168), (424, 100), (392, 110)], dark(body, 0.46))
    canvas.shape([(190, 190), (410, 190), (392, 110), (208, 110)], light(body, 0.34), "down")
    canvas.shape([(208, 72), (410, 66), (424, 100), (392, 112), (208, 112)], light(body, 0.62))
    canvas.line([(210, 84), (412, 77)], 2, dark(body, 0.1))
    canvas.shape([(190, 190), (410, 190), (410, FLOOR), (190, FLOOR)], body, "down")
    canvas.circle(300, 148, 24, dark(subject.accent, 0.3))
    canvas.circle(300, 144, 23, WHITE, "ball")
    wave = smooth([(190, 420), (245, 392), (300, 416), (355, 442), (410, 410)])
    canvas.shape(
        [(190, 420), *wave[: len(wave) * 4 // 5], (410, FLOOR), (190, FLOOR)],
        light(subject.color, 0.45),
    )
    emblem(subject, (300, 440), 36)
    label(canvas, (204, 214, 396, 372), subject.name, subject.pack, dark(subject.accent, 0.15), 10)


def bar(subject: Subject) -> None:
    """A wrapped bar of soap or chocolate, lying down."""
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 110, 530)
    canvas.shape([(110, 300), (166, 246), (536, 246), (500, 300)], light(body, 0.35))
    canvas.shape([(500, 300), (536, 246), (536, 444), (500, FLOOR)], dark(body, 0.35))
    canvas.block((104, 296, 504, FLOOR + 2), 14, body, "down")
    canvas.shape([(104, 318), (150, 296), (210, 296), (104, 404)], light(body, 0.4))
    canvas.shape([(504, 478), (458, FLOOR + 2), (398, FLOOR + 2), (504, 392)], dark(body, 0.22))
    label(canvas, (164, 324, 444, 476), subject.name, subject.pack, dark(subject.accent, 0.12), 22)


def eggs(subject: Subject) -> None:
    """An open tray of eggs with a sleeve in front."""
    canvas = subject.canvas
    pulp: RGB = (176, 160, 142)
    ground(subject, 100, 540)
    for y, shift, columns in ((214, 40, 5), (262, 0, 6)):
        for column in range(columns):
            x = 138 + shift + column * 73
            canvas.ellipse((x - 36, y - 54, x + 36, y + 54), subject.color, "ball")
    canvas.shape(
        [(84, 290), (556, 290), (534, 486), (520, FLOOR + 2), (120, FLOOR + 2), (106, 486)],
        pulp,
        "down",
    )
    for column in range(6):
        x = 138 + column * 73
        canvas.ellipse((x - 33, 272, x + 33, 312), dark(pulp, 0.12))
        canvas.ellipse((x - 34, 232, x + 34, 304), subject.color, "ball")
    canvas.block((88, 292, 552, 316), 8, light(pulp, 0.2))
    label(canvas, (176, 336, 464, 478), subject.name, subject.pack, subject.accent)


SHAPES: dict[str, Painter] = {
    painter.__name__: painter for painter in (pouch, sack, packet, box, carton, bar, eggs)
}
