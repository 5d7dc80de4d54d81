"""Clients of the assistant: a connection for programs, and a chat in the terminal."""
