"""Composition root of administration."""

from functools import cache

from auth.wiring import standing_service
from supermarket.audit import AuditLog
from supermarket.dynamo.audit import DynamoAuditLog

__all__ = ["audit_log", "standing_service"]


@cache
def audit_log() -> AuditLog:
    return DynamoAuditLog()
