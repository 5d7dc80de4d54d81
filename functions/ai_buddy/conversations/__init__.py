"""Conversations: turns, their answers, confirmations and history."""
