"""Deploys a stage to AWS: knows whether it is there, what it has to be told, and asks for that."""


class Refused(Exception):
    """There is nothing to deploy like this; the message says why, and names no secret."""
