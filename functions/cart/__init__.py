"""Cart: what a customer means to buy, kept for thirty days after the last change."""
