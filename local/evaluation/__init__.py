"""Runs conversations that test whether AI-Buddy understands users and resists attacks."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.evaluation.conversations import read
from local.evaluation.runner import Result, Runner
from local.evaluation.running_shop import RunningShop

__all__ = ["evaluate"]


def evaluate(endpoints: dict[str, Any], console: Console, only: Sequence[str] = ()) -> int:
    """Run the conversations whose id begins with one of `only`, or all; return 1 if any fails."""
    chosen = [one for one in read() if not only or one.id.startswith(tuple(only))]
    preparing = console.status("Preparing products and customers …")
    with RunningShop(endpoints) as shop, preparing, Runner(shop) as runner:
        results = []
        for number, result in enumerate(runner.run(chosen), 1):
            results.append(result)
            _print(result, f"{number}/{len(chosen)}", console)
    _print_summary(results, console)
    return int(not all(result.ok for result in results))


def _print(result: Result, position: str, console: Console) -> None:
    mark = "[green]✓[/green]" if result.ok else "[red]✗[/red]"
    console.print(f"{mark} [dim]{position:>7} {result.seconds:5.1f} s[/dim]  {result.script.id}")
    for fault in result.faults:
        console.print(f"    [red]{escape(fault)}[/red]")


def _print_summary(results: Sequence[Result], console: Console) -> None:
    models = sorted({result.model for result in results if result.model})
    table = Table("conversations", "English", "Hindi", "Hinglish", caption=", ".join(models))
    for kind in ("customer", "seller", "hostile"):
        own = [result for result in results if result.script.kind == kind]
        table.add_row(kind, *(_share(own, language) for language in ("en", "hi", "hinglish")))
    console.print(table)


def _share(results: Sequence[Result], language: str) -> str:
    own = [result for result in results if result.script.language == language]
    return f"{sum(result.ok for result in own)} of {len(own)}" if own else ""
