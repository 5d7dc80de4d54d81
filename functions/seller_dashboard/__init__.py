"""Shows sellers their orders, payments, products and sales: projections that events alone write."""
