"""Payment: orders are paid through Razorpay, whose record decides whether they are paid."""
