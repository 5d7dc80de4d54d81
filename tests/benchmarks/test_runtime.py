"""The benchmark's runtime API and its server of recorded responses."""

import site
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from benchmarks.recording import Response
from benchmarks.runtime import InvocationFailed, Program, run
from benchmarks.web_api import CERTIFICATE, WebApi, make_certificate

pytest.importorskip("awslambdaric", reason="the runtime interface client is for Linux")

HANDLER = """
import time
time.sleep(0.2)
def handler(event, context):
    return {"echo": event["text"]}
def broken(event, context):
    raise ValueError("broken on purpose")
"""


def program(folder: Path, handler: str) -> Program:
    (folder / "sample.py").write_text(HANDLER)
    return Program(f"sample.{handler}", folder, (Path(site.getsitepackages()[0]),), {})


def test_a_run_measures_the_init_phase_and_two_invocations(tmp_path: Path) -> None:
    limited: list[int] = []
    times = run(
        program(tmp_path, "handler"),
        {"text": "hello"},
        tmp_path / "log",
        limit=limited.append,
        check=lambda answer: bool(answer == {"echo": "hello"}),
    )
    assert times.init > 0.2
    assert 0 < times.first < times.init
    assert times.total == times.init + times.first
    assert len(limited) == 1


def test_a_run_raises_when_the_handler_fails_or_gives_a_wrong_response(tmp_path: Path) -> None:
    with pytest.raises(InvocationFailed, match="broken on purpose"):
        run(program(tmp_path, "broken"), {}, tmp_path / "log", check=lambda _: True)
    with pytest.raises(InvocationFailed, match="echo"):
        run(program(tmp_path, "handler"), {"text": 1}, tmp_path / "log", check=lambda _: False)


def test_recorded_responses_are_replayed_in_order_over_tls_and_counted(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    api = WebApi(tmp_path)
    trust = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE))
    api.load({"GET /numbers": [Response(b"1"), Response(b"2")], "Tables.Get": [Response(b"{}")]})

    def get(path: str, **headers: str) -> bytes:
        request = urllib.request.Request(api.url + path, headers=headers)  # noqa: S310 - https
        with urllib.request.urlopen(request, context=trust) as answer:  # noqa: S310
            return bytes(answer.read())

    with api.serving():
        assert get("/numbers") == b"1"
        assert api.unused == {"GET /numbers", "Tables.Get"}
        assert [get("/numbers"), get("/numbers")] == [b"2", b"1"]
        assert get("/", **{"X-Amz-Target": "Tables.Get"}) == b"{}"
        assert api.unused == set()
        assert api.unknown == []
        with pytest.raises(urllib.error.HTTPError):
            get("/letters")
        assert api.unknown == ["GET /letters"]
