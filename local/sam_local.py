"""Serves the HTTP API with `sam local start-api`: the functions run in Docker, and all that they
need (tables, bus, secrets, simulators) is the running local cloud.
"""

import asyncio
import errno
import ipaddress
import json
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import yaml
from botocore.exceptions import EndpointConnectionError

from local import stack
from local.cloud import CloudUnavailable
from local.console import console, step
from local.emulator import ROOT, root_client

SECTION = "sam-local"  # of samconfig.toml
FOLDER = stack.BUILD / SECTION
TEMPLATE = FOLDER / "artifacts" / "template.yaml"
VARIABLES = FOLDER / "variables.json"
HOST = "host.docker.internal"  # this machine, as a container calls it
CHUNK = 64 * 1024


def serve(endpoints: Mapping[str, Any], port: int, more: Iterable[str]) -> int:
    """Build, let the containers reach the local cloud, and serve until Ctrl-C."""
    gateway = bridge_address()
    variables = variables_inside(endpoints, deployed_variables(endpoints["aws"]))
    with step("Building for Lambda's Linux"):
        stack.build(FOLDER / "sam.log", SECTION, stack.architecture())
    TEMPLATE.write_text(yaml.safe_dump(taking_any_body(yaml.safe_load(TEMPLATE.read_text()))))
    VARIABLES.write_text(json.dumps({"Parameters": variables}, indent=2) + "\n")
    (FOLDER / "layers").mkdir(exist_ok=True)
    console.print(f"The HTTP API at http://127.0.0.1:{port}. Ctrl-C stops it.")
    command = [
        *(str(stack.SAM), "local", "start-api", "--config-env", SECTION, "--port", str(port)),
        *("--parameter-overrides", f"Architecture={stack.architecture()}"),
        f"AllowedOrigins={variables['ALLOWED_ORIGINS']}",
        *more,
    ]
    ports = {urlsplit(endpoints[name]).port or 80 for name in ("aws", "api")}
    return asyncio.run(_run(command, gateway, ports))


def deployed_variables(endpoint: str) -> dict[str, str]:
    """The environment variables that the deployed functions have; they are equal for all."""
    try:
        function = root_client(endpoint, "cloudformation").describe_stack_resource(
            StackName=stack.STACK, LogicalResourceId="CheckHealth"
        )["StackResourceDetail"]["PhysicalResourceId"]
    except EndpointConnectionError:
        raise CloudUnavailable("the local cloud is not running: make run") from None
    settings = root_client(endpoint, "lambda").get_function_configuration(FunctionName=function)
    variables: dict[str, str] = settings["Environment"]["Variables"]
    return variables


def variables_inside(endpoints: Mapping[str, Any], deployed: Mapping[str, str]) -> dict[str, str]:
    """The deployed variables, but what a function itself calls is named as a container names it."""
    called = {
        "AWS_ENDPOINT_URL": endpoints["aws"],
        "RAZORPAY_BASE_URL": endpoints["razorpay"],
        "IMAGEKIT_BASE_URL": endpoints["imagekit"],
    }
    return {**deployed, **{name: _inside(address) for name, address in called.items()}}


def _inside(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=f"{HOST}:{parts.port or 80}").geturl()


def taking_any_body(template: dict[str, Any]) -> dict[str, Any]:
    """The template, changed so that bodies come to the functions as base64. API Gateway does so
    with what is not text; `sam local` would refuse a picture, since it reads all bodies as text.
    """
    template["Resources"]["Api"]["Properties"]["DefinitionBody"] = {
        "openapi": "3.0.1",
        "paths": {},
        "x-amazon-apigateway-binary-media-types": ["*/*"],
    }
    return template


def bridge_address() -> str:
    """This machine's address on Docker's bridge, where every container can reach it."""
    question = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    try:
        answer = subprocess.run(question, capture_output=True, check=True, text=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise CloudUnavailable("`sam local` needs a running Docker") from None
    networks = (network for network in json.loads(answer) if ":" not in network["Subnet"])
    network = next(networks)
    # Docker does not tell the gateway before the first container; it is the first address
    return str(network.get("Gateway") or ipaddress.ip_network(network["Subnet"])[1])


async def _run(command: list[str], gateway: str, ports: Iterable[int]) -> int:
    async with AsyncExitStack() as stopping:
        for port in ports:
            if passage := await open_passage(gateway, port):
                stopping.callback(passage.close)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=stack.sam_environment(),
            cwd=ROOT,
            start_new_session=True,  # or Ctrl-C would reach it twice, and cut its clearing up short
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, process.terminate)
        return await process.wait()


async def open_passage(address: str, port: int) -> asyncio.Server | None:
    """Whoever connects to this port of the address reaches the same port of 127.0.0.1. Docker in a
    virtual machine (Desktop) has its bridge there, and leads to 127.0.0.1 by itself: nothing to do.
    """

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            beyond = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
        else:
            await asyncio.gather(_pour(reader, beyond[1]), _pour(beyond[0], writer))

    try:
        door = socket.create_server((address, port))
    except OSError as refused:
        if refused.errno == errno.EADDRNOTAVAIL:
            return None
        raise CloudUnavailable(f"cannot listen on {address}:{port}: {refused.strerror}") from None
    return await asyncio.start_server(welcome, sock=door)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
