"""Commands with which a person operates a stage; none of them is in a Lambda."""
