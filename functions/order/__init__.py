"""Order: placing, reading and cancelling orders, and giving back what was reserved but not paid."""
