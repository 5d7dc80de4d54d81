"""Events that no consumer could handle."""
