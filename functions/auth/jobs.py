"""Scheduled Lambdas of auth."""

from auth import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job


@job(spare_seconds=5)
def rotate_keys(_run: Run) -> Counts:
    """Replace the key that signs access tokens."""
    return {"valid": wiring.key_rotation().rotate()}


prepare(__name__)
