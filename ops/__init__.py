"""Commands that operate a stage: `python -m ops --help`. They run on an operator's machine."""
