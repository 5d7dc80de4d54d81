"""The sample shop: accounts, categories and pictures as data, and a loader that puts them in."""

from sample.catalogue import Catalogue, read
from sample.loader import Loaded, load

__all__ = ["Catalogue", "Loaded", "load", "read"]
