"""Measurements; nothing here is a test, since a time depends on the machine."""
