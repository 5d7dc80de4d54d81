"""Rebuilds of the seller dashboard's projections from the event archive."""
