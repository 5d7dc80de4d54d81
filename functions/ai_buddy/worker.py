"""The worker's Lambda: answers one turn per invocation."""

from hashlib import sha256
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from ai_buddy import wiring
from ai_buddy.conversations.turn_worker import TurnReport
from ai_buddy.realtime.gateways import from_event
from supermarket import telemetry
from supermarket.init_phase import prepare

SECONDS_TO_FINISH = 15  # of the Lambda's time, to save and send what there is


def run_turn(event: dict[str, Any], context: Any) -> None:
    """Answer a turn. Lambda invokes asynchronously: once, and again when a worker died."""
    request = event.get("correlationId") or context.aws_request_id
    telemetry.begin(request, job="ai_buddy.run_turn")
    seconds = context.get_remaining_time_in_millis() / 1000 - SECONDS_TO_FINISH
    task = from_event(event)
    report = wiring.turn_worker().answer(task, seconds)
    if report is not None:
        _publish(report, task.caller.user_id)


def _publish(report: TurnReport, user_id: str) -> None:
    """Log figures only; the person is a hash in the log and no dimension of a metric."""
    telemetry.logger.info(
        "turn answered",
        extra={
            "state": report.state.value,
            "user": sha256(user_id.encode()).hexdigest()[:16],
            "tokens_read": report.tokens.input,
            "tokens_written": report.tokens.output,
            "seconds": round(report.seconds, 3),
        },
    )
    telemetry.count("Turns", state=report.state.value)
    telemetry.measure("TurnTokensRead", report.tokens.input, MetricUnit.Count)
    telemetry.measure("TurnTokensWritten", report.tokens.output, MetricUnit.Count)
    if report.first_token_seconds is not None:
        milliseconds = round(report.first_token_seconds * 1000, 1)
        telemetry.measure("FirstToken", milliseconds, MetricUnit.Milliseconds)


prepare(__name__)
