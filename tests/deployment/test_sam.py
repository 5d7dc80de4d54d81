"""The SAM CLI reads the parameter file; checked with SAM's own parser."""

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
"""  # SAM converts the values twice
PARAMETERS = {
    "RazorpayKeySecret": "it's $HOME, 100 % #secret: {yes} & \\no",
    "AllowedOrigins": "https://a.example,https://b.example",
    "MailSender": "Größe <shop@shop.example>",
    "TaxPercent": "007",
    "DeletionProtection": "true",
    "AlarmEmail": "",
}


def test_sam_reads_every_value_unchanged() -> None:
    python = sam.SAM.with_name("python")
    with sam.parameter_file(PARAMETERS) as file:
        read = subprocess.run(  # noqa: S603 - our own program
            [python, "-c", READ, str(file)], capture_output=True, check=True
        )
    assert json.loads(read.stdout) == PARAMETERS


def test_only_the_owner_can_read_the_parameter_file_and_it_is_deleted() -> None:
    with sam.parameter_file(PARAMETERS) as file:
        assert stat.S_IMODE(file.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert not file.exists()


def test_the_parameter_file_is_deleted_after_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), sam.parameter_file(PARAMETERS) as file:
        raise KeyboardInterrupt
    assert not file.exists()


def test_values_are_not_passed_to_sam_as_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_sam = tmp_path / "sam"
    fake_sam.write_text(f'#!/bin/sh\nprintf "%s " "$@" > {tmp_path}/arguments\nexit 3\n')
    fake_sam.chmod(0o755)
    monkeypatch.setattr(sam, "SAM", fake_sam)
    assert sam.deploy("prod", PARAMETERS) == 3
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("deploy --config-env prod --parameter-overrides file://")
    assert not [value for value in PARAMETERS.values() if value and value in arguments]
