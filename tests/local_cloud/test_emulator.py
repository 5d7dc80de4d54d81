"""The emulator as a process: stored state, its end, and enforced IAM policies."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from local.emulator import REGION, Emulator, EmulatorFailed, running
from supermarket.clock import new_id

TABLE = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running(Emulator(tmp_path_factory.mktemp("emulator"))) as emulator:
        yield emulator


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    with running(Emulator(tmp_path)) as first:
        first.client("dynamodb").create_table(TableName="kept", **TABLE)

    with running(Emulator(tmp_path)) as second:
        assert second.client("dynamodb").list_tables()["TableNames"] == ["kept"]


def test_it_listens_on_one_address_only(emulator: Emulator) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", emulator.port)) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.2", emulator.port)) != 0


def test_a_port_in_use_is_reported(emulator: Emulator, tmp_path: Path) -> None:
    with (
        pytest.raises(EmulatorFailed, match="is in use"),
        running(Emulator(tmp_path, emulator.port)),
    ):
        pass


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import time; from pathlib import Path; from local.emulator import Emulator;"
        f"e = Emulator(Path({str(tmp_path)!r})); e.start();"
        "print(e._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    emulator = int(parent.stdout.readline())

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 20
    while _lives(emulator):
        assert time.monotonic() < deadline, "it continued without its parent"
        time.sleep(0.05)


def test_a_stream_is_read_after_a_restart(tmp_path: Path) -> None:
    with running(Emulator(tmp_path)) as first:
        reader = _StreamReader(first)
        assert reader.receives("before the restart")

    with running(Emulator(tmp_path)) as second:
        assert _StreamReader(second, exists=True).receives("after the restart")


def test_a_role_is_limited_to_its_policy_and_its_calls_are_recorded(emulator: Emulator) -> None:
    dynamodb = emulator.client("dynamodb")
    dynamodb.create_table(TableName="guarded", **TABLE)
    as_reader = _with_role(emulator, "reader", ["dynamodb:GetItem"])

    as_reader.get_item(TableName="guarded", Key={"pk": {"S": "1"}})
    with pytest.raises(ClientError, match="AccessDenied"):
        as_reader.put_item(TableName="guarded", Item={"pk": {"S": "1"}})

    calls = [json.loads(line) for line in emulator.journal.read_text().splitlines()]
    table = f"arn:aws:dynamodb:{REGION}:000000000000:table/guarded"
    assert [(c["action"], c["resource"], c["allowed"]) for c in calls if c["role"] == "reader"] == [
        ("dynamodb:GetItem", table, True),
        ("dynamodb:PutItem", table, False),
    ]


PROCESS = """
import logging, os, sys, time

def handle(event, _):
    print("a line for the log")
    if event.get("dies"):
        os._exit(1)
    if event.get("sleeps"):
        time.sleep(60)
    return {"process": os.getpid(), "task": os.environ["LAMBDA_TASK_ROOT"],
            "path": sys.path, "environment": dict(os.environ)}
"""


@pytest.fixture
def invoke(emulator: Emulator) -> Callable[..., Any]:
    """Calls a function of the test's own; its answer, and the end of its log."""
    functions, name = emulator.client("lambda"), new_id()
    role = emulator.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=_policy([]))
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="process.handle",
        Code={"ZipFile": _zipped("process.py", PROCESS)},
        Environment={"Variables": {"OWN": name}},
        Timeout=2,
    )

    def invoke(**event: Any) -> tuple[Any, str]:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        return json.load(answer["Payload"]), base64.b64decode(answer["LogResult"]).decode()

    return invoke


def test_a_function_has_an_environment_of_its_own(invoke: Callable[..., Any]) -> None:
    answer, log = invoke()
    environment = answer["environment"]
    assert environment["OWN"] == environment["AWS_LAMBDA_FUNCTION_NAME"]
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert answer["path"][0] == answer["task"]
    assert "a line for the log" in log


def test_a_function_is_called_again_in_the_same_process(invoke: Callable[..., Any]) -> None:
    assert invoke()[0]["process"] == invoke()[0]["process"]


@pytest.mark.parametrize("fault", ["dies", "sleeps"])
def test_a_function_that_dies_or_takes_too_long_gets_a_new_process(
    invoke: Callable[..., Any], fault: str
) -> None:
    before = invoke()[0]["process"]
    assert "errorMessage" in invoke(**{fault: True})[0]
    assert invoke()[0]["process"] != before
    assert not _lives(before)


def _with_role(emulator: Emulator, role: str, actions: list[str]) -> Any:
    """Create a DynamoDB client with a role that has only these permissions."""
    statement = [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
    trust = [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]
    iam = emulator.client("iam")
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=_policy(statement))
    session = emulator.client("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="me")
    credentials = session["Credentials"]
    sdk: Any = botocore.session.get_session()
    return sdk.create_client(
        "dynamodb",
        endpoint_url=emulator.endpoint,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def _policy(statement: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class _StreamReader:
    """A table whose stream calls a function, which writes the keys into another table."""

    CODE = """
import boto3

def handle(event, _):
    for record in event["Records"]:
        boto3.client("dynamodb").put_item(TableName="target", Item=record["dynamodb"]["Keys"])
"""

    def __init__(self, emulator: Emulator, *, exists: bool = False) -> None:
        self.dynamodb = emulator.client("dynamodb")
        if exists:
            return
        stream = self.dynamodb.create_table(
            TableName="source",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            **TABLE,
        )["TableDescription"]["LatestStreamArn"]
        self.dynamodb.create_table(TableName="target", **TABLE)
        everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        iam, functions = emulator.client("iam"), emulator.client("lambda")
        role = iam.create_role(RoleName="copier", AssumeRolePolicyDocument=_policy([]))["Role"][
            "Arn"
        ]
        iam.put_role_policy(RoleName="copier", PolicyName="all", PolicyDocument=_policy(everything))
        functions.create_function(
            FunctionName="copier",
            Runtime="python3.13",
            Role=role,
            Handler="copier.handle",
            Code={"ZipFile": _zipped("copier.py", self.CODE)},
        )
        functions.create_event_source_mapping(
            FunctionName="copier", EventSourceArn=stream, StartingPosition="TRIM_HORIZON"
        )

    def receives(self, word: str) -> bool:
        key = {"pk": {"S": word}}
        self.dynamodb.put_item(TableName="source", Item=key)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if "Item" in self.dynamodb.get_item(TableName="target", Key=key):
                return True
            time.sleep(0.1)
        return False


def _zipped(name: str, text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, text)
    return content.getvalue()
