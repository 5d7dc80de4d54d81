"""The sample supermarket that a local cloud opens with: its data, its pictures, its loader."""
