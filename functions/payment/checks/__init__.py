"""What other domains ask of a payment in their own transactions."""
