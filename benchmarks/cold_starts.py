"""How long a Lambda's first call imports and composes, beside a bare boto3 handler; `make bench`.

Every measurement is a fresh process. The cases take turns, so that whatever else the machine does
meets all of them alike, and what counts is the median and its ratio to the bare handler's.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).parents[1]
BUILT = ROOT / ".local" / "build" / "artifacts"
BARE = "a bare boto3 handler"
CASES = {
    BARE: "import boto3; boto3.client('dynamodb')",
    "GET /api/products": """
from product import endpoints
from product.wiring import product_service
product_service()""",
    "GET /api/cart": """
from cart import endpoints
from cart.wiring import cart_service
cart_service()""",
    "socket: connect, disconnect": """
from ai_buddy import sockets, wiring
wiring.connections()""",
    "socket: message": """
from ai_buddy import sockets, wiring
wiring.switchboard(), wiring.conversations()""",
    "assistant's worker": """
from ai_buddy import turns, wiring
wiring.answering()
from langchain_google_genai import ChatGoogleGenerativeAI""",
    "dashboard's reactions": """
from seller_dashboard import listeners, wiring
wiring.bookkeeping()""",
}
TIMED = """
from time import perf_counter
began = perf_counter()
{code}
print(perf_counter() - began)
"""
TEXTS = (
    *("AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"),
    *("AWS_SECRET_ACCESS_KEY", "POWERTOOLS_SERVICE_NAME", "STAGE", "MAIL_SENDER", "GEMINI_MODEL"),
)
ADDRESSES = (
    *("STOREFRONT_URL", "CONNECTIONS_URL", "IMAGEKIT_URL_ENDPOINT"),
    *("RAZORPAY_BASE_URL", "IMAGEKIT_BASE_URL", "GEMINI_BASE_URL"),
)
NUMBERS = (
    *("BCRYPT_ROUNDS", "RESERVATION_MINUTES", "TAX_PERCENT"),
    *("SHIPPING_FEE_PAISE", "SHIPPING_FEE_CENTS"),
    *("AI_MESSAGES_PER_MINUTE", "AI_TOKENS_PER_DAY", "AI_CONNECTIONS_PER_USER", "AI_TOOL_CALLS"),
    *("GEMINI_TIMEOUT_SECONDS", "GEMINI_RETRIES", "MAILS_PER_RECIPIENT_PER_HOUR"),
)
SIZES = {
    "functions": "GetProduct",
    "layer dependencies": "DependenciesLayer",
    "layer ai, the worker's": "AiLayer",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    console = Console()
    console.print(_times(_measure(parser.parse_args().rounds, console)))
    if BUILT.exists():
        console.print(_sizes())


def _measure(rounds: int, console: Console) -> dict[str, list[float]]:
    """Seconds of each case; a first round, which writes bytecode, does not count."""
    for code in CASES.values():
        _seconds(code)
    measured: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in track(range(rounds), "Starting processes …", console=console, transient=True):
        for name, code in CASES.items():
            measured[name].append(_seconds(code))
    return measured


def _seconds(code: str) -> float:
    program = [sys.executable, "-P", "-c", TIMED.format(code=code.strip())]
    ended = subprocess.run(
        program, env=_environment(), check=True, stdout=subprocess.PIPE, text=True
    )
    return float(ended.stdout)


def _environment() -> dict[str, str]:
    """As a Lambda has it, with nobody at the other end: nothing is called."""
    paths = [str(ROOT / path) for path in ("functions",)]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "LAMBDA_TASK_ROOT": paths[0],
        **dict.fromkeys(TEXTS, "benchmark"),
        **dict.fromkeys(ADDRESSES, "http://127.0.0.1:9"),
        **dict.fromkeys(NUMBERS, "4"),
        "GEMINI_TEMPERATURE": "1",
        "GEMINI_THINKING": "low",
    }


def _times(measured: dict[str, list[float]]) -> Table:
    rounds = len(measured[BARE])
    table = Table(
        "", "median ms", "fastest", "slowest", "to bare", title=f"Cold starts, {rounds} rounds"
    )
    bare = statistics.median(measured[BARE])
    for name, seconds in measured.items():
        median = statistics.median(seconds)
        in_ms = (f"{1000 * value:.0f}" for value in (median, min(seconds), max(seconds)))
        table.add_row(name, *in_ms, f"x {median / bare:.2f}")
    return table


def _sizes() -> Table:
    """Of the last build; Lambda takes 250 MB of a function with its layers."""
    sizes = {name: sum(_bytes(BUILT / folder)) for name, folder in SIZES.items()}
    sizes["worker, all told"] = sum(sizes.values())
    table = Table("", "MB", title="Unzipped")
    for name, size in sizes.items():
        table.add_row(name, f"{size / 1e6:.1f}")
    return table


def _bytes(folder: Path) -> Iterator[int]:
    return (path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
