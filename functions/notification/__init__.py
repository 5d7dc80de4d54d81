"""Notification: sends mails about events, each of them once, and keeps an inbox."""
