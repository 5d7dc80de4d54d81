"""Notification: the mails that tell people what happened, each of them sent once."""
