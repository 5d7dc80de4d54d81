"""The logger, the metrics, and the ids that connect a request with its events and mails."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger(use_rfc3339=True)  # Lambda reads the level of a line only if it has such a time
metrics = Metrics(namespace="Supermarket")

_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
_writing_metrics = Lock()  # threads share the metrics that are not written yet
_causation_id: ContextVar[str | None] = ContextVar("causation_id", default=None)


def begin(correlation_id: str, causation_id: str | None = None, **keys: object) -> None:
    """Start a unit of work: later log lines and events carry its ids.

    `correlation_id` is the id of the first request of the chain, `causation_id` the id of the event
    that is being handled.
    """
    _correlation_id.set(correlation_id)
    _causation_id.set(causation_id)
    logger.clear_state()
    logger.append_keys(correlation_id=correlation_id, **keys)


def correlation_id() -> str:
    return _correlation_id.get()


def causation_id() -> str | None:
    return _causation_id.get()


@contextmanager
def warn_on_failure(message: str) -> Iterator[None]:
    """Log an exception of the block as a warning, by its kind and without its text, and go on.

    with warn_on_failure("connections not refreshed"):
        broadcaster.refresh()
    """
    try:
        yield
    except Exception as failure:
        logger.warning(message, extra={"reason": type(failure).__name__})


def measure(name: str, value: float, unit: MetricUnit) -> None:
    """Write a metric without dimensions at once."""
    with _writing_metrics:
        metrics.add_metric(name=name, unit=unit, value=value)
        metrics.flush_metrics()


def count(name: str, value: int = 1, **dimensions: str) -> None:
    """Write a count with its dimensions at once (CloudWatch embedded metric format)."""
    with _writing_metrics:
        for dimension, text in dimensions.items():
            metrics.add_dimension(name=dimension, value=text)
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()
