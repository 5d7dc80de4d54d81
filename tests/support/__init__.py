"""What the tests of all domains share: the tables of the template, API events, in-memory
adapters.
"""
