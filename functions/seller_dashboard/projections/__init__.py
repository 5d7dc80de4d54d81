"""Projections of orders, products and sellers, written from events alone."""
