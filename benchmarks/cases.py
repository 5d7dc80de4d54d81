"""The measured cases: the scenarios on a build, and bare boto3 handlers for comparison."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import yaml

from benchmarks import bare, packages
from benchmarks.recording import Recording, Response
from benchmarks.runtime import Program
from benchmarks.scenarios import Scenario

BARE, BARE_ON_LAYER = "bare boto3", "bare boto3 on our layer"
LAYER = "/opt"  # where Lambda mounts layers
BARE_ANSWERS: Recording = {"DynamoDB_20120810.GetItem": [Response(b"{}")]}
ACCOUNT = {
    "AWS_REGION": "ap-south-1",
    "AWS_DEFAULT_REGION": "ap-south-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
}


@dataclass(frozen=True)
class Case:
    """A handler to start, its event, and the responses that AWS gives."""

    name: str
    handler: str
    event: Mapping[str, Any]
    responses: Recording
    code: Path
    packages: tuple[Path, ...]
    variables: Mapping[str, str]
    authorities: Path  # root certificates that its AWS clients trust

    def program(self, url: str, certificate: Path) -> Program:
        """The process to start, with all web APIs at `url` and `certificate` as a trusted one."""
        bundle = certificate.with_name("authorities.pem")
        bundle.write_bytes(self.authorities.read_bytes() + certificate.read_bytes())
        urls = dict.fromkeys(("AWS_ENDPOINT_URL", "CONNECTIONS_URL", "RAZORPAY_BASE_URL"), url)
        environment = {**self.variables, **ACCOUNT, **urls, "AWS_CA_BUNDLE": str(bundle)}
        return Program(self.handler, self.code, self.packages, environment)


@dataclass(frozen=True)
class Build:
    """The folders of `sam build`: `code` of the functions, `layer` of their packages."""

    code: Path
    layer: Path
    variables: Mapping[str, str]
    authorities: Path

    @classmethod
    def read(cls, folder: Path) -> "Build":
        """Read a build's folders and environment variables from its template."""
        template = yaml.safe_load((folder / "template.yaml").read_text())
        resources = template["Resources"]
        layer = folder / resources["DependenciesLayer"]["Properties"]["ContentUri"]
        declared = template["Globals"]["Function"]["Environment"]["Variables"]
        bundle = declared.get("AWS_CA_BUNDLE", certifi.where())
        return cls(
            code=folder / resources["GetCart"]["Properties"]["CodeUri"],
            layer=layer,
            variables={
                name: os.environ.get(name, value)
                for name, value in declared.items()
                if name in os.environ or isinstance(value, str)
            },
            authorities=Path(bundle.replace(LAYER, str(layer), 1)),
        )

    def cases(
        self, scenarios: Sequence[Scenario], packages: Sequence[Path], suffix: str = ""
    ) -> Iterator[Case]:
        """Create a case per scenario; `packages` come before those of the layer."""
        for scenario in scenarios:
            yield Case(
                name=scenario.name + suffix,
                handler=scenario.handler,
                event=scenario.event,
                responses=scenario.responses,
                code=self.code,
                packages=(*packages, self.layer / "python"),
                variables=self.variables,
                authorities=self.authorities,
            )


def bare_cases(build: Build, client: Path, folder: Path) -> Iterator[Case]:
    """Create the bare handler's cases: with the installed boto3, and with the project's layer."""
    code = packages.copy_file(Path(bare.__file__), folder / "bare")
    boto3 = packages.copy_packages(packages.BOTO3, folder / "boto3")
    botocore = packages.copy_packages(packages.BOTOCORE, folder / "botocore")
    for name, below, authorities in (
        (BARE, botocore, Path(certifi.where())),
        (BARE_ON_LAYER, build.layer / "python", build.authorities),
    ):
        yield Case(
            name=name,
            handler="bare.handler",
            event={},
            responses=BARE_ANSWERS,
            code=code,
            packages=(client, boto3, below),
            variables={},
            authorities=authorities,
        )
