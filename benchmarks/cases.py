"""What is measured: the scenarios on a build's folders, and bare boto3 handlers beside them."""

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
LAYER = "/opt"  # where a layer lies in Lambda
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
    """A handler to start, what it is invoked with, and what AWS answers."""

    name: str
    handler: str
    event: Mapping[str, Any]
    responses: Recording
    code: Path
    packages: tuple[Path, ...]
    variables: Mapping[str, str]
    authorities: Path  # those that its AWS clients trust

    def program(self, url: str, certificate: Path) -> Program:
        """The process to start when all web APIs are at `url` and prove it with `certificate`."""
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
        template = yaml.safe_load((folder / "template.yaml").read_text())
        resources = template["Resources"]
        layer = folder / resources["DependenciesLayer"]["Properties"]["ContentUri"]
        wanted = template["Globals"]["Function"]["Environment"]["Variables"]
        bundle = wanted.get("AWS_CA_BUNDLE", certifi.where())
        return cls(
            code=folder / resources["GetCart"]["Properties"]["CodeUri"],
            layer=layer,
            variables={
                name: os.environ.get(name, value)
                for name, value in wanted.items()
                if name in os.environ or isinstance(value, str)
            },
            authorities=Path(bundle.replace(LAYER, str(layer), 1)),
        )

    def cases(
        self, scenarios: Sequence[Scenario], packages: Sequence[Path], suffix: str = ""
    ) -> Iterator[Case]:
        """The scenarios on this build, with packages that come before those of its layer."""
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
    """The bare handler with boto3 as it is installed, and with what the project makes of it."""
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
