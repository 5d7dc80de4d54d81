"""Letters written from the templates beside this file; HTML is escaped, and what is missing is an
error.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notification.model import Letter, harmless, inert, localised, one_line
from notification.report import charts
from supermarket.contracts import Amount
from supermarket.money import Money

TEMPLATES = Path(__file__).parent / "templates"


class TemplateLetters:
    """`Letters` from `<kind>.html.j2` and `<kind>.txt.j2`; each is compiled once per Lambda."""

    def __init__(self, storefront_url: str) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(("html.j2",)),
            undefined=StrictUndefined,
            finalize=_on_one_line,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters |= {
            "money": _money,
            "moment": _moment,
            "day": _day,
            "weekday": _weekday,
            "charts": charts,
            "harmless": harmless,
            "inert": inert,
        }
        self._templates.globals["storefront"] = storefront_url.rstrip("/")

    def write(self, kind: str, facts: Mapping[str, Any]) -> Letter:
        html, text = (
            self._templates.get_template(f"{kind}.{form}.j2").render(facts)
            for form in ("html", "txt")
        )
        return Letter(html, text)


def _on_one_line(value: Any) -> Any:
    """No name and no title can begin a new line; markup, a subclass of `str`, is left alone."""
    return one_line(value) if type(value) is str else value


def _money(amount: Amount | Money) -> str:
    return localised(amount.money() if isinstance(amount, Amount) else amount)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def _day(day: date) -> str:
    return day.strftime("%a %-d %b")


def _weekday(day: date) -> str:
    return day.strftime("%a %-d")
