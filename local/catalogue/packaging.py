"""What is printed on a pack: a window on the contents, or a round emblem of them."""

from __future__ import annotations

from local.catalogue.canvas import (
    RGB,
    WHITE,
    Point,
    brightness,
    light,
    mix,
    ring,
    smooth,
)
from local.catalogue.subject import Subject, fill


def window(subject: Subject, outline: list[Point], tint: RGB = WHITE) -> None:
    """A clear patch through which the contents show."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    middle, centre = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    rim = [(middle + (x - middle) * 1.04, centre + (y - centre) * 1.06) for x, y in outline]
    subject.canvas.shape(rim, light(tint, 0.5))
    fill(subject, outline)


def emblem(subject: Subject, at: Point, radius: float) -> None:
    """A round picture of the contents, printed on an opaque pack."""
    canvas, (x, y) = subject.canvas, at
    if subject.texture:
        circle = ring(x, y, radius, 48)
        window(subject, circle)
        return
    if subject.shape == "box":
        for share, tone in enumerate((0.5, 0.0, 0.6)):
            canvas.circle(x, y, radius * (1 - share * 0.28), light(subject.color, tone))
        return
    drop = smooth(
        [
            (x, y - radius * 1.1),
            (x + radius * 0.55, y - radius * 0.1),
            (x + radius * 0.5, y + radius * 0.62),
            (x, y + radius * 0.9),
            (x - radius * 0.5, y + radius * 0.62),
            (x - radius * 0.55, y - radius * 0.1),
        ]
    )
    color = (
        subject.color
        if brightness(subject.color) < 0.8
        else mix(subject.color, subject.accent, 0.4)
    )
    canvas.shape(drop, color, "ball")
