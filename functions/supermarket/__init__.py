"""The shared kernel: what every domain builds on, and what no domain may bend to itself."""
