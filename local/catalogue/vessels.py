"""Painters of what comes in glass, tin or plastic: jars, bottles, cans, tubes."""

from __future__ import annotations

from local.catalogue.canvas import RGB, WHITE, dark, light, mirrored, mix, smooth
from local.catalogue.lettering import label
from local.catalogue.packaging import emblem
from local.catalogue.subject import FLOOR, Painter, Subject, fill, ground

SILVER: RGB = (198, 203, 210)


def jar(subject: Subject) -> None:
    """A glass jar with a screw lid and a paper label."""
    canvas = subject.canvas
    ground(subject, 190, 450)
    glass = smooth(
        [
            (214, 168),
            (320, 160),
            (426, 168),
            (450, 206),
            (454, 320),
            (450, 470),
            (420, FLOOR),
            (320, FLOOR + 4),
            (220, FLOOR),
            (190, 470),
            (186, 320),
            (190, 206),
        ]
    )
    canvas.shape(glass, light(subject.accent, 0.86), "side")
    filled = smooth(
        [
            (206, 216),
            (320, 210),
            (434, 216),
            (445, 240),
            (446, 330),
            (441, 466),
            (416, 492),
            (320, 497),
            (224, 492),
            (199, 466),
            (194, 330),
            (195, 240),
        ]
    )
    fill(subject, filled)
    canvas.block((206, 100, 434, 166), 14, subject.accent, "side")
    for x in range(216, 430, 12):
        canvas.line([(x, 116), (x, 156)], 1.6, dark(subject.accent, 0.25))
    canvas.block((202, 150, 438, 170), 8, dark(subject.accent, 0.12), "side")
    label(canvas, (196, 272, 444, 424), subject.name, subject.pack, subject.accent, 8)
    canvas.gloss((206, 190, 220, 262), 7, 0.5)
    canvas.gloss((206, 434, 220, 476), 7, 0.4)


def bottle(subject: Subject) -> None:
    canvas = subject.canvas
    ground(subject, 220, 420)
    outline = smooth(
        mirrored(
            [
                (0, 104),
                (30, 106),
                (32, 150),
                (40, 186),
                (86, 232),
                (98, 280),
                (96, 350),
                (98, 440),
                (92, 490),
                (60, FLOOR + 2),
                (0, FLOOR + 3),
            ]
        )
    )
    canvas.shape(outline, subject.color, "side")
    canvas.block((284, 62, 356, 122), 8, subject.accent, "side")
    canvas.block((280, 112, 360, 126), 6, dark(subject.accent, 0.2), "side")
    label(canvas, (220, 278, 420, 424), subject.name, subject.pack, dark(subject.accent, 0.12), 6)
    canvas.gloss((240, 226, 252, 272), 6, 0.5)
    canvas.gloss((234, 432, 244, 480), 5, 0.4)


def jug(subject: Subject) -> None:
    """A can with a handle, for what is bought by the litre."""
    canvas = subject.canvas
    ground(subject, 184, 456)
    outline = smooth(
        [
            (250, 128),
            (330, 126),
            (350, 150),
            (400, 168),
            (446, 210),
            (456, 300),
            (454, 460),
            (430, FLOOR),
            (320, FLOOR + 4),
            (210, FLOOR),
            (186, 460),
            (184, 300),
            (196, 230),
            (232, 176),
        ]
    )
    canvas.shape(outline, subject.color, "side")
    hole = smooth(
        [(352, 196), (398, 208), (424, 240), (428, 262), (404, 256), (372, 238), (348, 214)]
    )
    canvas.shape(hole, mix(light(subject.accent, 0.82), subject.color, 0.18))
    canvas.block((250, 74, 332, 136), 9, subject.accent, "side")
    canvas.block((244, 124, 338, 140), 6, dark(subject.accent, 0.2), "side")
    label(canvas, (200, 286, 440, 440), subject.name, subject.pack, dark(subject.accent, 0.1), 12)
    canvas.gloss((204, 230, 216, 278), 6, 0.45)


def can(subject: Subject) -> None:
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 190, 450)
    canvas.ellipse((194, 462, 446, 514), dark(SILVER, 0.3))
    canvas.block((194, 150, 446, 490), 6, SILVER, "side")
    canvas.ellipse((194, 466, 446, 508), dark(SILVER, 0.1))
    canvas.block((194, 172, 446, 480), 0, body, "side")
    canvas.ellipse((194, 462, 446, 500), body, "side")
    canvas.ellipse((190, 124, 450, 180), dark(SILVER, 0.15), "side")
    canvas.ellipse((202, 130, 438, 172), light(SILVER, 0.4))
    canvas.ellipse((214, 137, 426, 167), SILVER, "side")
    emblem(subject, (320, 428), 46)
    label(canvas, (200, 208, 440, 360), subject.name, subject.pack, dark(subject.accent, 0.1), 4)
    canvas.gloss((212, 184, 222, 470), 5, 0.3)


def cup(subject: Subject) -> None:
    """A tub with a foil lid."""
    canvas = subject.canvas
    ground(subject, 210, 430)
    outline = mirrored([(0, 230), (140, 230), (108, 480), (92, 500), (0, 506)])
    canvas.shape(outline, mix(subject.wrapper, WHITE, 0.15), "side")
    canvas.ellipse((172, 196, 468, 264), dark(subject.accent, 0.3))
    canvas.ellipse((172, 188, 468, 256), light(subject.color, 0.3), "down")
    canvas.ellipse((190, 196, 450, 246), light(subject.color, 0.6))
    canvas.shape([(440, 236), (486, 246), (462, 262), (424, 250)], light(subject.color, 0.3))
    emblem(subject, (320, 222), 17)
    label(canvas, (204, 288, 436, 428), subject.name, subject.pack, dark(subject.accent, 0.1), 14)


def tube(subject: Subject) -> None:
    canvas, body = subject.canvas, light(subject.color, 0.12)
    ground(subject, 250, 390)
    canvas.shape([(204, 84), (436, 84), (392, 430), (248, 430)], body, "side")
    canvas.shape([(202, 68), (438, 68), (435, 98), (205, 98)], dark(body, 0.2))
    for x in range(212, 434, 9):
        canvas.line([(x, 73), (x, 93)], 1.3, light(body, 0.3))
    canvas.shape([(248, 428), (392, 428), (378, 444), (262, 444)], dark(body, 0.25))
    canvas.shape(
        [(258, 444), (382, 444), (374, FLOOR + 2), (266, FLOOR + 2)], subject.accent, "side"
    )
    for x in range(270, 374, 11):
        canvas.line([(x, 452), (x, 494)], 1.4, dark(subject.accent, 0.25))
    label(canvas, (228, 146, 412, 300), subject.name, subject.pack, dark(subject.accent, 0.1), 12)
    emblem(subject, (320, 362), 34)


def spray(subject: Subject) -> None:
    """A trigger bottle."""
    canvas = subject.canvas
    ground(subject, 220, 420)
    outline = smooth(
        mirrored(
            [
                (0, 176),
                (30, 178),
                (36, 210),
                (84, 270),
                (96, 330),
                (98, 450),
                (86, 496),
                (0, FLOOR + 3),
            ]
        )
    )
    canvas.shape(outline, subject.color, "side")
    canvas.block((284, 140, 356, 196), 8, dark(subject.accent, 0.1), "side")
    canvas.shape(
        [(234, 78), (370, 78), (396, 104), (392, 146), (276, 146), (262, 118), (234, 116)],
        subject.accent,
        "down",
    )
    canvas.block((214, 80, 240, 114), 4, dark(subject.accent, 0.3))
    canvas.shape(
        smooth([(268, 122), (282, 128), (276, 166), (252, 192), (246, 186), (262, 158)]),
        dark(subject.accent, 0.25),
    )
    label(canvas, (224, 304, 416, 446), subject.name, subject.pack, dark(subject.accent, 0.1), 10)
    canvas.gloss((240, 262, 251, 298), 5, 0.5)


def pump(subject: Subject) -> None:
    """A bottle with a pump on top."""
    canvas = subject.canvas
    ground(subject, 210, 430)
    canvas.block((310, 104, 330, 190), 4, dark(SILVER, 0.1), "side")
    canvas.shape(
        smooth(
            [
                (228, 92),
                (250, 82),
                (356, 82),
                (368, 100),
                (352, 116),
                (262, 112),
                (240, 124),
                (226, 116),
            ]
        ),
        subject.accent,
        "down",
    )
    canvas.block((280, 158, 360, 206), 10, subject.accent, "side")
    outline = smooth(
        mirrored(
            [(0, 196), (48, 198), (96, 220), (110, 270), (110, 440), (102, 494), (0, FLOOR + 3)]
        )
    )
    canvas.shape(outline, subject.color, "side")
    label(canvas, (218, 268, 422, 424), subject.name, subject.pack, dark(subject.accent, 0.1), 16)
    canvas.gloss((226, 226, 238, 262), 6, 0.5)


def aerosol(subject: Subject) -> None:
    canvas, body = subject.canvas, subject.wrapper
    ground(subject, 230, 410)
    canvas.block((292, 60, 348, 110), 10, light(subject.accent, 0.2), "side")
    canvas.shape(
        smooth(mirrored([(0, 96), (60, 104), (88, 150), (92, 176), (0, 186)])), SILVER, "side"
    )
    canvas.block((228, 160, 412, FLOOR + 2), 14, body, "side")
    canvas.block((224, 152, 416, 174), 8, SILVER, "side")
    canvas.block((224, 484, 416, FLOOR + 4), 8, SILVER, "side")
    emblem(subject, (320, 420), 40)
    label(canvas, (232, 214, 408, 364), subject.name, subject.pack, dark(subject.accent, 0.1), 6)
    canvas.gloss((242, 182, 252, 478), 5, 0.3)


SHAPES: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (jar, bottle, jug, can, cup, tube, spray, pump, aerosol)
}
