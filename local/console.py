"""Output in the terminal: a line per step with its duration, and errors."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
error_console = Console(highlight=False, soft_wrap=True, stderr=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show a running step, and then whether it succeeded and how long it took."""
    began = time.perf_counter()
    mark = "[red]✗[/red]"
    try:
        with console.status(f"{title} …"):
            yield
        mark = "[green]✓[/green]"
    finally:
        console.print(f"{mark} {title:<58} [dim]{time.perf_counter() - began:6.1f} s[/dim]")
