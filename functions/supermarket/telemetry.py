"""One logger, one set of metrics, and the ids that tie a request to the events and mails it
causes.
"""

from contextvars import ContextVar

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger(use_rfc3339=True)  # Lambda takes a line's level only beside such a time
metrics = Metrics(namespace="Supermarket")

_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
_causation_id: ContextVar[str | None] = ContextVar("causation_id", default=None)


def begin(correlation_id: str, causation_id: str | None = None, **keys: object) -> None:
    """Start a unit of work: from here on logs and events carry its ids.

    `correlation_id` is the id of the request that began it all, `causation_id` the event that led
    here.
    """
    _correlation_id.set(correlation_id)
    _causation_id.set(causation_id)
    logger.clear_state()
    logger.append_keys(correlation_id=correlation_id, **keys)


def correlation_id() -> str:
    return _correlation_id.get()


def causation_id() -> str | None:
    return _causation_id.get()


def measure(name: str, value: float, unit: MetricUnit) -> None:
    """Write a metric that has no dimensions out at once."""
    metrics.add_metric(name=name, unit=unit, value=value)
    metrics.flush_metrics()


def count(name: str, value: int = 1, **dimensions: str) -> None:
    """Add to a metric and write it out at once, with its own dimensions (CloudWatch EMF)."""
    for dimension, text in dimensions.items():
        metrics.add_dimension(name=dimension, value=text)
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
