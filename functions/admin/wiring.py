"""Composition root of administration."""

from auth.wiring import standing_service

__all__ = ["standing_service"]
