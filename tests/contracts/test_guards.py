"""The guards bite: a checkout with one fault in it fails, and is told what to do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("functions", "layers/shared", "local", "events", "tests/support", "tests/contracts")
FILES = ("template.yaml", "pyproject.toml", "tests/conftest.py")


def rename_a_field(checkout: Path) -> None:
    _replace(
        checkout / "layers/shared/supermarket/contracts.py",
        "razorpay_payment_id: str",
        "paid_as: str",
    )


def rename_a_field_and_whatever_tells_of_it(checkout: Path) -> None:
    rename_a_field(checkout)
    for path in (checkout / "events").rglob("*PaymentCompleted*"):
        path.write_text(path.read_text().replace("razorpayPaymentId", "paidAs"))


def rename_a_field_and_remove_its_schema(checkout: Path) -> None:
    rename_a_field(checkout)
    (checkout / "events/contracts/PaymentCompleted.v1.schema.json").unlink()


def give_an_event_another_source(checkout: Path) -> None:
    _replace(
        checkout / "layers/shared/supermarket/contracts.py",
        'SOURCE = "supermarket.cart"',
        'SOURCE = "supermarket.basket"',
    )
    for path in (checkout / "events").rglob("*CartAbandoned*"):
        path.write_text(path.read_text().replace("supermarket.cart", "supermarket.basket"))


def break_a_sample(checkout: Path) -> None:
    file = checkout / "events/samples/eventbridge/OrderPlaced.json"
    event = json.loads(file.read_text())
    event["detail"]["data"]["lines"][0]["quantity"] = "two"
    file.write_text(json.dumps(event))


def misspell_a_rule(checkout: Path) -> None:
    _replace(
        checkout / "template.yaml", "            - OrderShipped\n", "            - OrderShiped\n"
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What was published is committed."""
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path / file)
    someone = ("-c", "user.name=Asha", "-c", "user.email=asha@example.com")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", "events")
    _git(tmp_path, *someone, "commit", "--quiet", "--no-gpg-sign", "--message=Published")
    return tmp_path


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (rename_a_field, ["data.razorpayPaymentId is gone", "OrderPlacedV2"]),
        (rename_a_field_and_whatever_tells_of_it, ["data.razorpayPaymentId is gone"]),
        (rename_a_field_and_remove_its_schema, ["data.razorpayPaymentId is gone"]),
        (give_an_event_another_source, ["supermarket.cart to supermarket.basket"]),
        (
            break_a_sample,
            ["mend events/samples/eventbridge/OrderPlaced.json", "data.lines.0.quantity"],
        ),
        (misspell_a_rule, ["rule in template.yaml and its listeners.py differ", "OrderShipped"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_fault_is_found_and_explained(
    checkout: Path, fault: Callable[[Path], None], told: list[str]
) -> None:
    fault(checkout)
    tests = [f"tests/contracts/test_{name}.py" for name in ("schemas", "routing")]
    outcome = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 1, outcome.stdout
    for words in told:
        assert words in outcome.stdout


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def _git(checkout: Path, *arguments: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=checkout, env=own, check=True)  # noqa: S603, S607
