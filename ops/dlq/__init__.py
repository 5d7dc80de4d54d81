"""Dead letters: events that a consumer could not handle, or that were not delivered."""
