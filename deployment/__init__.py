"""Deploys a stage to AWS: checks whether its stack exists and asks for missing parameters."""


class Refused(Exception):
    """The deployment cannot start; the message gives the reason and contains no secret."""
