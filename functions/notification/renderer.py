"""Renders mails from the templates beside this file; escapes HTML, fails on missing values."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notification.model import MailBody, defuse_links, format_money, one_line, safe_title
from notification.report import charts
from supermarket.contracts import Amount
from supermarket.money import Money

TEMPLATES = Path(__file__).parent / "templates"


class JinjaRenderer:
    """`TemplateRenderer` for `<kind>.html.j2` and `<kind>.txt.j2`, compiled once per process."""

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
            "safe_title": safe_title,
            "defuse_links": defuse_links,
        }
        self._templates.globals["storefront"] = storefront_url.rstrip("/")

    def render(self, kind: str, facts: Mapping[str, Any]) -> MailBody:
        html, text = (
            self._templates.get_template(f"{kind}.{form}.j2").render(facts)
            for form in ("html", "txt")
        )
        return MailBody(html, text)


def _on_one_line(value: Any) -> Any:
    """Remove line breaks from values; markup, a subclass of `str`, is unchanged."""
    return one_line(value) if type(value) is str else value


def _money(amount: Amount | Money) -> str:
    return format_money(amount.money() if isinstance(amount, Amount) else amount)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def _day(day: date) -> str:
    return day.strftime("%a %-d %b")


def _weekday(day: date) -> str:
    return day.strftime("%a %-d")
