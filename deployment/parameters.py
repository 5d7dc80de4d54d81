"""The template's parameters: what may be said of them, and what a new stage has to be told."""

import getpass
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deployment import Refused

TEMPLATE = Path(__file__).parents[1] / "template.yaml"

# their defaults are the local cloud's
DIFFERENT_ON_AWS = {
    *("StorefrontUrl", "AllowedOrigins", "MailSender", "AlarmEmail", "ImageKitUrlEndpoint"),
}

# the SAM CLI would take the quotes off, and the backslashes out
ALTERED = re.compile(r"""(["'])(.*\1)?|.*\\[ "'].*""")


@dataclass(frozen=True)
class Parameter:
    """One of the template's; `default` is None when it has none."""

    name: str
    description: str
    default: str | None
    pattern: str
    is_secret: bool

    @classmethod
    def of(cls, name: str, declared: Mapping[str, Any]) -> "Parameter":
        default = str(declared["Default"]) if "Default" in declared else None
        anything = ".*" if default == "" else ".+"
        pattern = declared.get("AllowedPattern", anything)
        description = declared.get("Description", "")
        return cls(name, description, default, pattern, bool(declared.get("NoEcho")))

    @property
    def must_be_told(self) -> bool:
        return self.default is None or self.name in DIFFERENT_ON_AWS

    def may_be(self, value: str) -> bool:
        return bool(re.fullmatch(self.pattern, value)) and not ALTERED.fullmatch(value)


Parameters = Mapping[str, Parameter]


class _Loader(yaml.SafeLoader):
    """Reads past `!Ref` and the like, of which parameters have none."""


_Loader.add_multi_constructor("!", lambda *_: None)


@cache
def known() -> Parameters:
    """By their names, in the template's order."""
    template = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return {name: Parameter.of(name, it) for name, it in template["Parameters"].items()}


def said(
    parameters: Parameters, environment: Mapping[str, str], words: Iterable[str]
) -> dict[str, str]:
    """From variables of the parameters' names and from words such as `TaxPercent=5`, which win.
    A variable that is empty says nothing, a word such as `AlarmEmail=` does. A secret is no word:
    those end up in the shell's history and in the list of processes.
    """
    found = {name: environment[name] for name in parameters if environment.get(name)}
    for word in words:
        name, is_one, value = word.partition("=")
        if not is_one:
            raise Refused("A parameter is said as NAME=VALUE")
        if name not in parameters:
            raise Refused(f"The template has no parameter {name}")
        if parameters[name].is_secret and value:
            raise Refused(f"{name} is a secret: say it in the environment variable of that name")
        found[name] = value
    for name, value in found.items():
        if not parameters[name].may_be(value):
            raise Refused(f"{name} cannot be what was said")
    return found


def completed(parameters: Parameters, chosen: Mapping[str, str], is_asked: bool) -> dict[str, str]:
    """With all that a new stage has to be told; without somebody to ask, it must have been said."""
    told, missing = dict(chosen), []
    for parameter in parameters.values():
        if not parameter.must_be_told or parameter.name in told:
            continue
        suggestion = _suggestion(parameter, told)
        if is_asked:
            told[parameter.name] = _answer(parameter, suggestion)
        elif parameter.may_be(suggestion):
            told[parameter.name] = suggestion
        else:
            missing.append(parameter.name)
    if missing:
        raise Refused(f"Nobody is here to be asked: set {', '.join(missing)} in the environment")
    return told


def _suggestion(parameter: Parameter, told: Mapping[str, str]) -> str:
    if parameter.name != "AllowedOrigins" or "StorefrontUrl" not in told:
        return ""
    storefront = urlsplit(told["StorefrontUrl"])
    return f"{storefront.scheme}://{storefront.netloc}"


def _answer(parameter: Parameter, suggestion: str) -> str:
    listen = getpass.getpass if parameter.is_secret else input
    what = f" ({parameter.description})" if parameter.description else ""
    otherwise = f" [{suggestion}]" if suggestion else ""
    while True:
        answer = listen(f"{parameter.name}{what}{otherwise}: ").strip() or suggestion
        if parameter.may_be(answer):
            return answer
        sys.stderr.write(f"{parameter.name} cannot be that\n")
