"""How functions in containers reach the local cloud, and how `sam-local` stops."""

import asyncio
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from local import sam_local
from local.cloud import CloudUnavailable
from local.emulator import ROOT, free_port
from local.emulator_gaps import definition

ENDPOINTS = {
    "api": "http://127.0.0.1:3000",
    "aws": "http://127.0.0.1:4566",
    "razorpay": "http://127.0.0.1:3000/razorpay",
    "imagekit": "http://127.0.0.1:3000/imagekit",
}
UNASSIGNED = "203.0.113.7"  # an address for documentation, which no machine has
OTHER_LOOPBACK = "127.0.0.2"


def test_functions_get_addresses_that_a_container_can_reach() -> None:
    inside = sam_local.container_variables(ENDPOINTS, {"AWS_ENDPOINT_URL": ""})
    assert inside == {
        "AWS_ENDPOINT_URL": "http://host.docker.internal:4566",
        "RAZORPAY_BASE_URL": "http://host.docker.internal:3000/razorpay",
        "IMAGEKIT_BASE_URL": "http://host.docker.internal:3000/imagekit",
    }


def test_addresses_for_browsers_stay_unchanged() -> None:
    deployed = {"STOREFRONT_URL": "http://127.0.0.1:3000", "STAGE": "local"}
    inside = sam_local.container_variables(ENDPOINTS, deployed)
    assert deployed.items() <= inside.items()


def test_the_template_lets_sam_local_pass_bodies_as_base64() -> None:
    api = {"Type": "AWS::Serverless::HttpApi", "Properties": {"StageName": "$default"}}
    changed = sam_local.with_binary_bodies({"Resources": {"Api": api}})["Resources"]["Api"]
    assert changed["Properties"]["StageName"] == "$default"
    body = changed["Properties"]["DefinitionBody"]
    assert body["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    assert body["paths"] == definition()["paths"]


def test_samconfig_names_the_files_that_the_command_writes() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())[sam_local.SECTION]
    serving = settings["local_start_api"]["parameters"]
    assert ROOT / serving["template_file"] == sam_local.TEMPLATE
    assert ROOT / serving["env_vars"] == sam_local.VARIABLES
    assert ROOT / settings["build"]["parameters"]["build_dir"] == sam_local.TEMPLATE.parent
    assert sam_local.HOST in serving["add_host"]


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ({"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}, "172.17.0.9"),
        ({"Subnet": "172.18.0.0/16"}, "172.18.0.1"),
    ],
)
def test_docker_reports_the_address_of_its_bridge(
    network: dict[str, str], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer_and_older = [{"Subnet": "fd00::/80", "Gateway": "fd00::1"}, network]
    _install_docker(tmp_path, f"echo '{json.dumps(newer_and_older)}'")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert sam_local.bridge_address() == address


def test_a_docker_that_does_not_run_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install_docker(tmp_path, "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CloudUnavailable, match="running Docker"):
        sam_local.bridge_address()


def test_a_missing_docker_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CloudUnavailable, match="running Docker"):
        sam_local.bridge_address()


def test_a_local_cloud_that_does_not_run_is_reported() -> None:
    with pytest.raises(CloudUnavailable, match="make run"):
        sam_local.deployed_variables(f"http://127.0.0.1:{free_port()}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_port_is_forwarded_in_both_directions() -> None:
    async def scenario() -> bytes:
        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readexactly(5)).upper())
            writer.close()

        async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await _send_through_forwarded_port(port)

    assert asyncio.run(scenario()) == b"HELLO"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_forwarded_port_without_a_server_closes_the_connection() -> None:
    assert asyncio.run(_send_through_forwarded_port(free_port())) == b""


def test_no_port_is_forwarded_where_docker_runs_in_a_virtual_machine() -> None:
    assert asyncio.run(sam_local.forward_port(UNASSIGNED, free_port())) is None


def test_a_port_in_use_is_reported() -> None:
    async def scenario() -> None:
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
            await sam_local.forward_port("127.0.0.1", server.sockets[0].getsockname()[1])

    with pytest.raises(CloudUnavailable, match="cannot listen"):
        asyncio.run(scenario())


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_stopped_command_lets_sam_clean_up(signal: str) -> None:
    sam = f"""
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("cleaned up"))
os.kill(os.getppid(), signal.{signal})
signal.pause()
"""
    command = f"""
import asyncio, sys
from local import sam_local
sys.exit(asyncio.run(sam_local._run([sys.executable, "-c", {sam!r}], "127.0.0.1", [])))
"""
    ended = subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.stderr.strip(), ended.returncode) == ("cleaned up", 1)


async def _send_through_forwarded_port(port: int) -> bytes:
    server = await sam_local.forward_port(OTHER_LOOPBACK, port)
    assert server is not None
    reader, writer = await asyncio.open_connection(OTHER_LOOPBACK, port)
    try:
        writer.write(b"hello")
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        server.close()


def _install_docker(folder: Path, answer: str) -> None:
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{answer}\n")
    docker.chmod(0o755)
