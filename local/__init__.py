"""The local cloud: the deployed template, its third parties and a front door, on one machine."""
