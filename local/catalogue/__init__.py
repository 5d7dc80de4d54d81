"""The sample supermarket that a local cloud opens with: its data, its pictures, its loader."""

from local.catalogue.loader import Loaded, load
from local.catalogue.sample import read

__all__ = ["Loaded", "load", "read"]
