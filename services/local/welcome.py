"""What the user sees when everything is ready."""

from __future__ import annotations

from pathlib import Path

from rich.panel import Panel
from rich.table import Table

from services.local.ready_file import Ready


def welcome(ready: Ready, credentials: Path, logs: Path, ready_file: Path) -> Panel:
    """A panel with every address. Secrets stay in their file."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in (
        ("API", ready.api),
        ("S3 endpoint", ready.s3_endpoint),
        ("Input bucket", ready.bucket),
        ("Kafka", ready.kafka),
        ("Region", ready.region),
        ("Credentials", str(credentials)),
        ("Ready file", str(ready_file)),
        ("Logs", str(logs)),
    ):
        table.add_row(name, value)
    return Panel(table, title="Reelway is ready", subtitle="stop with Ctrl-C", expand=False, border_style="green")
