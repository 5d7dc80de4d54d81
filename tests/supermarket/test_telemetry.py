"""The format of log lines."""

import json
import logging
import re

from supermarket import telemetry

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)")


def test_a_log_line_has_its_level_and_timestamp_in_the_format_of_lambda() -> None:
    """Lambda keeps the level of a JSON line only if it can parse the timestamp."""
    fields = {"msg": "it broke", "levelno": logging.ERROR, "levelname": "ERROR"}
    line = json.loads(telemetry.logger.registered_formatter.format(logging.makeLogRecord(fields)))
    assert (line["level"], line["message"]) == ("ERROR", "it broke")
    assert RFC_3339.fullmatch(line["timestamp"])
