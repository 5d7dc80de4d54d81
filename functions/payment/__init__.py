"""Payment: the money of an order, taken through Razorpay and believed only on Razorpay's record."""
