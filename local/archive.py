"""Gives the bus its archive: the emulator knows archives, but not in a template.

Delete this step when the emulator learns `AWS::Events::Archive`. What it archives outlives a
restart. A replay goes to every rule that takes replays, whichever one it was meant for.
"""

from contextlib import suppress
from typing import Any


def keep_every_event(aws: Any, bus: str) -> None:
    """An archive of the bus under the same name, as `BusArchive` of the template is on AWS."""
    events = aws.client("events")
    arn = events.describe_event_bus(Name=bus)["Arn"]
    with suppress(events.exceptions.ResourceAlreadyExistsException):
        events.create_archive(ArchiveName=bus, EventSourceArn=arn)
