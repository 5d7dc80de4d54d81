"""Where a stage is: on AWS as `samconfig.toml` says, or the local cloud that runs here."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deployment.stack import target
from supermarket.errors import Unavailable

LOCAL = "local"
ENDPOINTS = Path(__file__).parents[1] / ".local" / "endpoints.json"
RAZORPAY = "https://api.razorpay.com"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class Stage:
    """A stage of the shop. `access` are the environment variables that lead to its account; without
    any, AWS clients find credentials as they always do.
    """

    name: str
    region: str
    stack: str
    access: Mapping[str, str] = field(default_factory=dict)
    razorpay: str = RAZORPAY
    quiet_period_seconds: float = 60
    archive_lag_seconds: float = 600

    @contextmanager
    def selected(self) -> Iterator[None]:
        """Make it the stage that this process works on: for AWS clients and table names."""
        before = dict(os.environ)
        if self.access:  # credentials in the environment would overrule it
            for name in ("AWS_PROFILE", *KEYS):
                os.environ.pop(name, None)
        region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        os.environ.update({"STAGE": self.name, **region, **self.access})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def find_stage(name: str, endpoints: Path = ENDPOINTS) -> Stage:
    """Find a stage; `endpoints` is the file that describes the local cloud.

    Raises `deployment.Refused` for an unknown stage, and Unavailable without a local cloud.
    """
    if name == LOCAL:
        return _local_stage(endpoints)
    where = target(name)
    access = {"AWS_PROFILE": where.profile} if where.profile else {}
    return Stage(name, where.region, where.stack, access)


def _local_stage(file: Path) -> Stage:
    if not file.exists():
        raise Unavailable("No local cloud runs here: start it with `make run`")
    endpoints = json.loads(file.read_text())
    try:
        httpx.get(f"{endpoints['aws']}/_ministack/health").raise_for_status()
    except httpx.HTTPError:
        raise Unavailable("The local cloud does not respond: start it with `make run`") from None
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return Stage(
        name=endpoints["stage"],
        region=endpoints["region"],
        stack=f"supermarket-{endpoints['stage']}",
        access={"AWS_ENDPOINT_URL": endpoints["aws"], **keys},
        razorpay=endpoints["razorpay"],
        quiet_period_seconds=3,
        archive_lag_seconds=0,
    )
