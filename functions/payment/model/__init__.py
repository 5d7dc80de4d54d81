"""Payments and what belongs to them, each subject in a module of its own."""
