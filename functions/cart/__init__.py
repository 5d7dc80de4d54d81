"""Carts: what a customer wants to buy, kept for thirty days after the last change."""
