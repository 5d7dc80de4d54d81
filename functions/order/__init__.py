"""Orders: placing, reading, changing, fulfilling, cancelling and expiring them."""
