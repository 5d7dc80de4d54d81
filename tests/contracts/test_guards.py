"""The contract tests themselves: a checkout with a fault fails with an explanation."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.contracts.history import committed
from support.checkouts import run_module, run_tests

ROOT = Path(__file__).parents[2]
PARTS = (
    "functions",
    "deployment",
    "local",
    "sample",
    "simulators",
    "events",
    "tests/support",
    "tests/contracts",
)
WRITE = ("local", "contracts", "--write")
FILES = ("template.yaml", "pyproject.toml")

# the tests that find the faults
SCHEMAS, ROUTING = "tests/contracts/test_schemas.py", "tests/contracts/test_routing.py"
COMPATIBLE = f"{SCHEMAS}::test_no_published_version_is_broken"
SAMPLE = f"{SCHEMAS}::test_a_sample_matches_its_schema"
EMITTED = f"{ROUTING}::test_every_event_is_emitted_or_has_a_newer_version_that_is_emitted"
CURRENT = f"{ROUTING}::test_a_listener_of_a_deprecated_version_handles_a_current_version"
RULE = f"{ROUTING}::test_a_rule_matches_exactly_the_events_that_its_listener_handles"


def rename_a_field(checkout: Path) -> None:
    _replace(
        checkout / "functions/supermarket/contracts.py",
        "razorpay_payment_id: str",
        "paid_as: str",
    )


def rename_a_field_and_regenerate_its_files(checkout: Path) -> None:
    rename_a_field(checkout)
    for path in (checkout / "events").rglob("*PaymentCompleted*"):
        path.write_text(path.read_text().replace("razorpayPaymentId", "paidAs"))


def rename_a_field_and_remove_its_schema(checkout: Path) -> None:
    rename_a_field(checkout)
    (checkout / "events/contracts/PaymentCompleted.v1.schema.json").unlink()


def give_an_event_another_source(checkout: Path) -> None:
    _replace(
        checkout / "functions/supermarket/contracts.py",
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


def only_mention_an_event(checkout: Path) -> None:
    _replace(
        checkout / "functions/cart/events.py",
        "return CartAbandoned(",
        "return something_else(  # no longer a CartAbandoned",
    )


def deprecate_the_only_version(checkout: Path) -> None:
    deprecate_the_first_version(checkout)
    _replace(checkout / "functions/cart/events.py", "return CartAbandoned(", "return Nothing(")


def emit_a_second_version(checkout: Path) -> None:
    contracts = checkout / "functions/supermarket/contracts.py"
    first, following = "class CartAbandoned(Event):", "class OrderFacts(Event):"
    whole = contracts.read_text()
    body = whole[whole.index(first) + len(first) : whole.index(following)]
    second = "class CartAbandonedV2(Event):" + body.replace("idle_since: Moment", "idle_hours: int")
    _replace(contracts, following, second + following)
    samples = checkout / "events/samples/eventbridge"
    event = json.loads((samples / "CartAbandoned.json").read_text())
    event["detail"]["metadata"]["version"] = 2
    del event["detail"]["data"]["idleSince"]
    event["detail"]["data"]["idleHours"] = 24
    (samples / "CartAbandonedV2.json").write_text(json.dumps(event))
    emitted = "transaction.emit(to_cart_abandoned(cart, lines, customer))"
    both = f"{emitted}\n            transaction.emit(CartAbandonedV2(idle_hours=24))"
    _replace(checkout / "functions/cart/reminders.py", emitted, both)


def handle_the_second_version(checkout: Path) -> None:
    first = "    c.CartAbandoned: MailTemplate("
    second = (
        '    c.CartAbandonedV2: MailTemplate("cart_abandoned", MailClass.BULK, _customer, str),\n'
    )
    _replace(checkout / "functions/notification/mails.py", first, second + first)


def deprecate_the_first_version(checkout: Path) -> None:
    source = '    SOURCE = "supermarket.cart"\n'
    contracts = checkout / "functions/supermarket/contracts.py"
    _replace(contracts, source, f"{source}    DEPRECATED = True\n")


def emit_the_second_version_alone(checkout: Path) -> None:
    _replace(
        checkout / "functions/cart/events.py", "return CartAbandoned(", "return CartAbandonedV2("
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, committed."""
    checkout = tmp_path_factory.mktemp("published")
    for part in PARTS:
        shutil.copytree(ROOT / part, checkout / part)
    for file in FILES:
        shutil.copy2(ROOT / file, checkout / file)
    (checkout / ".gitignore").write_text("__pycache__\n")
    author = ("-c", "user.name=Asha", "-c", "user.email=asha@example.com")
    _git(checkout, "init", "--quiet")
    _git(checkout, "add", ".")
    _git(checkout, *author, "commit", "--quiet", "--no-gpg-sign", "--message=Published")
    return checkout


@pytest.fixture
def checkout(published: Path) -> Iterator[Path]:
    """The copy; changes of a test are reverted after it."""
    yield published
    _git(published, "checkout", "--quiet", ".")
    _git(published, "clean", "--quiet", "--force", "-d")


@pytest.mark.parametrize(
    ("fault", "guard", "messages"),
    [
        (rename_a_field, COMPATIBLE, ["data.razorpayPaymentId is gone", "OrderPlacedV2"]),
        (rename_a_field_and_regenerate_its_files, COMPATIBLE, ["data.razorpayPaymentId is gone"]),
        (rename_a_field_and_remove_its_schema, COMPATIBLE, ["data.razorpayPaymentId is gone"]),
        (give_an_event_another_source, COMPATIBLE, ["supermarket.cart to supermarket.basket"]),
        (
            break_a_sample,
            SAMPLE,
            ["correct events/samples/eventbridge/OrderPlaced.json", "data.lines.0.quantity"],
        ),
        (only_mention_an_event, EMITTED, ["no code emits it"]),
        (deprecate_the_only_version, EMITTED, ["no newer version replaces it"]),
        (
            misspell_a_rule,
            RULE,
            ["rule in template.yaml and its listeners.py differ", "OrderShipped"],
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_fault_is_detected_with_an_explanation(
    checkout: Path, fault: Callable[[Path], None], guard: str, messages: list[str]
) -> None:
    fault(checkout)
    outcome = run_tests(checkout, guard)
    assert outcome.returncode == 1, outcome.stdout
    for message in messages:
        assert message in outcome.stdout


def test_the_documented_steps_publish_a_second_version(checkout: Path) -> None:
    """The steps of `events/README.md`: each is a deployment, so the tests pass after each."""
    steps = (
        [emit_a_second_version],
        [handle_the_second_version],
        [deprecate_the_first_version, emit_the_second_version_alone],
    )
    for step in steps:
        for change in step:
            change(checkout)
        assert run_module(checkout, *WRITE).returncode == 0
        outcome = run_tests(checkout, SCHEMAS, ROUTING)
        assert outcome.returncode == 0, outcome.stdout
    assert "1, deprecated | cart" in (checkout / "events/README.md").read_text()


def test_a_version_is_emitted_while_a_listener_handles_no_other(checkout: Path) -> None:
    for change in (
        emit_a_second_version,
        deprecate_the_first_version,
        emit_the_second_version_alone,
    ):
        change(checkout)
    outcome = run_tests(checkout, CURRENT)
    assert outcome.returncode == 1, outcome.stdout
    assert "add a handler of the newer version before the older one is deprecated" in outcome.stdout


def test_a_git_hook_reads_the_history_of_its_own_checkout(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    names = {name for name, _ in committed(checkout / "events/contracts")}
    assert "OrderPlaced.v1.schema.json" in names


def test_writing_contracts_without_git_history_prints_a_warning(checkout: Path) -> None:
    (checkout / ".git").rename(hidden := checkout.with_name("git"))
    outcome = run_module(checkout, *WRITE)
    hidden.rename(checkout / ".git")
    assert outcome.returncode == 0
    assert "of this checkout count as published: git says" in outcome.stdout


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def _git(checkout: Path, *arguments: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=checkout, env=own, check=True)  # noqa: S603, S607
