"""Stock: what is on hand and reserved of each product, how it moved, and what an order holds."""
