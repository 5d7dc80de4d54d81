"""Reads the template's parameters, validates given values and asks for missing ones."""

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

# required on AWS: their defaults are only valid in the local cloud
REQUIRED_ON_AWS = {
    *("StorefrontUrl", "AllowedOrigins", "MailSender", "AlarmEmail", "ImageKitUrlEndpoint"),
}

# values that the SAM CLI would change: it removes surrounding quotes and backslashes
CHANGED_BY_SAM = re.compile(r"""(["'])(.*\1)?|.*\\[ "'].*""")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the template; `default` is None when it has none."""

    name: str
    description: str
    default: str | None
    pattern: str
    is_secret: bool

    @classmethod
    def of(cls, name: str, declared: Mapping[str, Any]) -> "Parameter":
        default = str(declared["Default"]) if "Default" in declared else None
        pattern = declared.get("AllowedPattern", ".*" if default == "" else ".+")
        text, is_secret = declared.get("Description", ""), bool(declared.get("NoEcho"))
        return cls(name, text, default, pattern, is_secret)

    @property
    def is_required(self) -> bool:
        """Whether a new stage on AWS needs a value for it."""
        return self.default is None or self.name in REQUIRED_ON_AWS

    def accepts(self, value: str) -> bool:
        """Whether the value matches the pattern and SAM passes it on unchanged."""
        return bool(re.fullmatch(self.pattern, value)) and not CHANGED_BY_SAM.fullmatch(value)


Parameters = Mapping[str, Parameter]


class _Loader(yaml.SafeLoader):
    """Ignores tags such as `!Ref`, which parameters do not contain."""


_Loader.add_multi_constructor("!", lambda *_: None)


@cache
def read_template() -> Parameters:
    """Read the template's parameters, by name and in the template's order."""
    template = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return {name: Parameter.of(name, declared) for name, declared in template["Parameters"].items()}


def parse_given(
    parameters: Parameters, environment: Mapping[str, str], assignments: Iterable[str]
) -> dict[str, str]:
    """Parse values from environment variables and from assignments such as `TaxPercent=5`.

    An assignment overrides the variable of the same name. An empty variable is ignored; an empty
    assignment such as `AlarmEmail=` sets an empty value. Secrets are only accepted from the
    environment, because arguments appear in the shell's history and in the list of processes.

    Raises `Refused` for an unknown parameter, an invalid value or a secret in an assignment.
    """
    values = {name: environment[name] for name in parameters if environment.get(name)}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise Refused("Parameters must have the form NAME=VALUE")
        if name not in parameters:
            raise Refused(f"The template has no parameter {name}")
        if parameters[name].is_secret and value:
            raise Refused(f"{name} is a secret: set it as an environment variable")
        values[name] = value
    for name, value in values.items():
        if not parameters[name].accepts(value):
            raise Refused(f"{name} has an invalid value")
    return values


def add_required(
    parameters: Parameters, given: Mapping[str, str], *, is_interactive: bool
) -> dict[str, str]:
    """Add the required parameters that are not given: ask the operator, or use a suggestion.

    Raises `Refused` when parameters are missing and there is no terminal to ask at.
    """
    values, missing = dict(given), []
    for parameter in parameters.values():
        if not parameter.is_required or parameter.name in values:
            continue
        suggestion = _suggestion(parameter, values)
        if is_interactive:
            values[parameter.name] = _ask(parameter, suggestion)
        elif parameter.accepts(suggestion):
            values[parameter.name] = suggestion
        else:
            missing.append(parameter.name)
    if missing:
        raise Refused(f"Missing parameters: set {', '.join(missing)} in the environment")
    return values


def _suggestion(parameter: Parameter, values: Mapping[str, str]) -> str:
    """The storefront's origin for `AllowedOrigins`; empty for every other parameter."""
    if parameter.name != "AllowedOrigins" or "StorefrontUrl" not in values:
        return ""
    storefront = urlsplit(values["StorefrontUrl"])
    return f"{storefront.scheme}://{storefront.netloc}"


def _ask(parameter: Parameter, suggestion: str) -> str:
    prompt = getpass.getpass if parameter.is_secret else input
    description = f" ({parameter.description})" if parameter.description else ""
    default = f" [{suggestion}]" if suggestion else ""
    while True:
        answer = prompt(f"{parameter.name}{description}{default}: ").strip() or suggestion
        if parameter.accepts(answer):
            return answer
        sys.stderr.write(f"{parameter.name} has an invalid value; enter another one\n")
