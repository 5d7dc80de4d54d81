"""Servers for the tests that go over the wire."""

from local_cloud.conftest import serve  # noqa: F401 - a fixture
