"""The `reelway` command. One module per group of subcommands; what they share stands in `session` and `show`."""

from services.cli.command import app

__all__ = ["app"]
