"""Whether AI-Buddy understands people, and keeps its hands off what is not theirs."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.evaluation.play import Theatre, Verdict
from local.evaluation.script import scripts

__all__ = ["evaluate"]


def evaluate(endpoints: dict[str, Any], console: Console, only: Sequence[str] = ()) -> int:
    """Play the conversations (all, or those whose id begins with one of `only`); 1 if any fails."""
    chosen = [one for one in scripts() if not only or one.id.startswith(tuple(only))]
    with console.status("Opening the theatre …"), Theatre(endpoints) as theatre:
        verdicts = []
        for number, verdict in enumerate(theatre.play(chosen), 1):
            verdicts.append(verdict)
            _tell(verdict, f"{number}/{len(chosen)}", console)
    _sum_up(verdicts, console)
    return int(not all(verdict.ok for verdict in verdicts))


def _tell(verdict: Verdict, place: str, console: Console) -> None:
    mark = "[green]✓[/green]" if verdict.ok else "[red]✗[/red]"
    console.print(f"{mark} [dim]{place:>7} {verdict.seconds:5.1f} s[/dim]  {verdict.script.id}")
    for fault in verdict.faults:
        console.print(f"    [red]{escape(fault)}[/red]")


def _sum_up(verdicts: Sequence[Verdict], console: Console) -> None:
    models = sorted({verdict.model for verdict in verdicts if verdict.model})
    table = Table("conversations", "English", "Hindi", "Hinglish", caption=", ".join(models))
    for kind in ("customer", "seller", "hostile"):
        own = [verdict for verdict in verdicts if verdict.script.kind == kind]
        table.add_row(kind, *(_share(own, language) for language in ("en", "hi", "hinglish")))
    console.print(table)


def _share(verdicts: Sequence[Verdict], language: str) -> str:
    own = [verdict for verdict in verdicts if verdict.script.language == language]
    return f"{sum(verdict.ok for verdict in own)} of {len(own)}" if own else ""
