"""The catalogue: what is on sale, at which price, how much of it is there, and how it is found."""
