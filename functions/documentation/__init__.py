"""Answers with the description of the HTTP API and a page that renders it."""
