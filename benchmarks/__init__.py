"""Measures cold starts through Lambda's runtime interface: `make bench`."""
