"""A small part of the sample shop, for tests that load it."""

from sample import Catalogue, read


def first_products(number: int) -> Catalogue:
    """The sample shop with the first products of each category only."""
    whole = read()
    categories = tuple(
        category.model_copy(update={"products": category.products[:number]})
        for category in whole.categories
    )
    return whole.model_copy(update={"categories": categories})
