"""What a person sees in the terminal: a line per step with its time, then tables."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
failures = Console(highlight=False, soft_wrap=True, stderr=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show that something goes on, and how long it took; a failure is marked and goes on up."""
    began = time.perf_counter()
    mark = "[red]✗[/red]"
    try:
        with console.status(f"{what} …"):
            yield
        mark = "[green]✓[/green]"
    finally:
        console.print(f"{mark} {what:<58} [dim]{time.perf_counter() - began:6.1f} s[/dim]")
