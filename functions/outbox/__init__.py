"""Sends events from the outbox to the event bus, and responds for the platform as a whole."""
