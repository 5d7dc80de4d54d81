"""Administration: what administrators see and change of other domains, through their services."""
