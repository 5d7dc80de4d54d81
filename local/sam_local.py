"""Serves the HTTP API with `sam local start-api`, against the running local cloud.

The functions run in Docker; tables, bus, secrets and simulators are those of the local cloud.
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
from local.emulator_gaps import definition

SECTION = "sam-local"  # of samconfig.toml
FOLDER = stack.BUILD / SECTION
TEMPLATE = FOLDER / "artifacts" / "template.yaml"
VARIABLES = FOLDER / "variables.json"
HOST = "host.docker.internal"  # this machine's name in a container
ADDRESSES = {
    "AWS_ENDPOINT_URL": "aws",
    "RAZORPAY_BASE_URL": "razorpay",
    "IMAGEKIT_BASE_URL": "imagekit",
}
CHUNK = 64 * 1024


def serve(endpoints: Mapping[str, Any], port: int, more: Iterable[str]) -> int:
    """Build, make the local cloud reachable for containers, and serve until Ctrl-C."""
    gateway = bridge_address()
    variables = container_variables(endpoints, deployed_variables(endpoints["aws"]))
    with step("Building for Lambda's Linux"):
        stack.build(FOLDER / "sam.log", SECTION, stack.architecture())
    TEMPLATE.write_text(yaml.safe_dump(with_binary_bodies(yaml.safe_load(TEMPLATE.read_text()))))
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
    """Return the environment variables of the deployed functions, which are equal for all."""
    try:
        function = root_client(endpoint, "cloudformation").describe_stack_resource(
            StackName=stack.STACK, LogicalResourceId="CheckHealth"
        )["StackResourceDetail"]["PhysicalResourceId"]
    except EndpointConnectionError:
        raise CloudUnavailable("the local cloud does not run: make run") from None
    settings = root_client(endpoint, "lambda").get_function_configuration(FunctionName=function)
    variables: dict[str, str] = settings["Environment"]["Variables"]
    return variables


def container_variables(
    endpoints: Mapping[str, Any], deployed: Mapping[str, str]
) -> dict[str, str]:
    """Return the deployed variables with the addresses that a container can reach."""
    variables = dict(deployed)
    for variable, name in ADDRESSES.items():
        parts = urlsplit(endpoints[name])
        variables[variable] = parts._replace(netloc=f"{HOST}:{parts.port or 80}").geturl()
    return variables


def with_binary_bodies(template: dict[str, Any]) -> dict[str, Any]:
    """Change the template so that functions get bodies as base64.

    API Gateway does this with bodies that are not text. `sam local` would read each as text, and
    refuse pictures.
    """
    template["Resources"]["Api"]["Properties"]["DefinitionBody"] = {
        **definition(),
        "x-amazon-apigateway-binary-media-types": ["*/*"],
    }
    return template


def bridge_address() -> str:
    """Return this machine's address on Docker's bridge, which every container can reach."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise CloudUnavailable("`sam local` needs a running Docker") from None
    network = next(network for network in json.loads(answer) if ":" not in network["Subnet"])
    # before the first container, Docker does not report the gateway, which is the first address
    return str(network.get("Gateway") or ipaddress.ip_network(network["Subnet"])[1])


async def _run(command: list[str], gateway: str, ports: Iterable[int]) -> int:
    async with AsyncExitStack() as stopping:
        for port in ports:
            if server := await forward_port(gateway, port):
                stopping.callback(server.close)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=stack.sam_environment(),
            cwd=ROOT,
            start_new_session=True,  # else it would get Ctrl-C twice and not clean up
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, process.terminate)
        return await process.wait()


async def forward_port(address: str, port: int) -> asyncio.Server | None:
    """Forward connections to a port of the address to the same port of 127.0.0.1.

    Returns None where this machine does not have the address: Docker Desktop runs in a virtual
    machine, and forwards connections to 127.0.0.1 itself.
    """

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
        else:
            await asyncio.gather(_copy(reader, target[1]), _copy(target[0], writer))

    try:
        listener = socket.create_server((address, port))
    except OSError as refused:
        if refused.errno == errno.EADDRNOTAVAIL:
            return None
        raise CloudUnavailable(f"cannot listen on {address}:{port}: {refused.strerror}") from None
    return await asyncio.start_server(forward, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
