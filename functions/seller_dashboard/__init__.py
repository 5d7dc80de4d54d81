"""Shows sellers how they do: orders, payments and products, projected from events alone."""
