"""How the SAM CLI is told of parameters, read back with its own code."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from deployment import sam

READ = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
values = CfnParameterOverridesType().convert((f"file://{sys.argv[1]}",), None, None)
print(json.dumps(CfnParameterOverridesType().convert(values, None, None)))
"""  # SAM converts twice
PARAMETERS = {
    "RazorpayKeySecret": "it's $HOME, 100 % #secret: {yes} & \\no",
    "AllowedOrigins": "https://a.example,https://b.example",
    "MailSender": "Größe <shop@shop.example>",
    "TaxPercent": "007",
    "DeletionProtection": "true",
    "AlarmEmail": "",
}


def test_sam_reads_what_was_said() -> None:
    python = sam.SAM.with_name("python")
    with sam.written_down(PARAMETERS) as file:
        read = subprocess.run(  # noqa: S603 - our own program
            [python, "-c", READ, str(file)], capture_output=True, check=True
        )
    assert json.loads(read.stdout) == PARAMETERS


def test_secrets_lie_where_nobody_else_can_read_them_and_not_for_long() -> None:
    with sam.written_down(PARAMETERS) as file:
        assert stat.S_IMODE(file.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert not file.exists()


def test_secrets_are_gone_when_it_is_stopped() -> None:
    with pytest.raises(KeyboardInterrupt), sam.written_down(PARAMETERS) as file:
        raise KeyboardInterrupt
    assert not file.exists()


def test_no_value_is_an_argument_of_sam(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretended = tmp_path / "sam"
    pretended.write_text(f'#!/bin/sh\nprintf "%s " "$@" > {tmp_path}/arguments\nexit 3\n')
    pretended.chmod(0o755)
    monkeypatch.setattr(sam, "SAM", pretended)
    assert sam.deploy("prod", PARAMETERS) == 3
    said = (tmp_path / "arguments").read_text()
    assert said.startswith("deploy --config-env prod --parameter-overrides file://")
    assert not [value for value in PARAMETERS.values() if value and value in said]
