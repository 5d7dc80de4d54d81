"""The benchmark's scenarios succeed, and its report shows their ratio to a bare handler."""

from collections.abc import Sequence

import pytest

from benchmarks.cases import BARE
from benchmarks.report import THROTTLED, UNTHROTTLED, report
from benchmarks.runtime import Times
from benchmarks.scenarios import Scenario, is_success, shop_in_moto

DATABASE = "DynamoDB_20120810."


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Scenario]:
    with shop_in_moto() as shop:
        return {scenario.name: scenario for scenario in shop.scenarios()}


def test_the_six_lambdas_with_targets_are_measured(scenarios: dict[str, Scenario]) -> None:
    assert scenarios.keys() >= {
        *("GET /api/cart", "POST /api/orders", "GET /api/products", "POST /api/payments/verify"),
        *("socket message", "dashboard listener"),
    }


def test_aws_responses_are_recorded(scenarios: dict[str, Scenario]) -> None:
    assert not scenarios["GET /healthz"].responses
    order = scenarios["POST /api/orders"].responses
    assert f"{DATABASE}TransactWriteItems" in order
    assert "secretsmanager.GetSecretValue" not in order, "the public keys need no secret"
    assert "secretsmanager.GetSecretValue" in scenarios["GET /api/products"].responses
    message = scenarios["socket message"].responses
    assert any(key.startswith("POST /@connections/") for key in message)
    assert any(key.endswith("-RunTurn/invocations") for key in message)
    verify = scenarios["POST /api/payments/verify"].responses
    assert any(key.startswith("GET /v1/payments/pay_") for key in verify)


@pytest.mark.parametrize(
    ("answer", "success"),
    [
        ({"statusCode": 201}, True),
        ({"statusCode": 404}, False),
        ({"batchItemFailures": []}, True),
        ({"batchItemFailures": [{"itemIdentifier": "1"}]}, False),
    ],
)
def test_success_is_detected_in_responses_of_every_kind(answer: object, success: bool) -> None:
    assert is_success(answer) is success


def test_the_ratio_is_the_median_of_the_ratios_of_all_rounds() -> None:
    def times(*seconds: float) -> Sequence[Times]:
        return [Times(0.5 * one, 0.5 * one, 0.1) for one in seconds]

    measured = {
        (mode, case): list(found)
        for mode in (UNTHROTTLED, THROTTLED)
        for case, found in ((BARE, times(1, 2, 4)), ("cart", times(2, 3, 12)))
    }
    text = report(measured, 3, "cgroup quota")
    assert text.count("| cart | 1500 | 1500 | 3000 | 2.00 | 100 |") == 2
