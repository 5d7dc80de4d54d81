"""Replays of archived events to one consumer."""
