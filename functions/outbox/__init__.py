"""Keeps the platform running: facts leave the outbox, and anybody may ask whether it is well."""
