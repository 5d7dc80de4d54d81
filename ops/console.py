"""Output: results on standard output, progress and errors on standard error."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

type ShowProgress = Callable[[str], None]

output = Console(highlight=False, markup=False, soft_wrap=True)
errors = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings, or `None.` if there are no rows."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    output.print(table if rows else "None.", soft_wrap=False)


@contextmanager
def progress() -> Iterator[ShowProgress]:
    """Show the progress of long work: one line that changes on a terminal, else a line for each."""
    if not errors.is_terminal:
        yield errors.print
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as line:
        task = line.add_task("", total=None)
        yield lambda text: line.update(task, description=text)
