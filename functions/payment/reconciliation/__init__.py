"""Reconciliation: compares the shop's payments with Razorpay's records and repairs differences."""
