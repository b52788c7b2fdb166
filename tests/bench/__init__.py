"""What the orchestration costs, measured on the embedded stack: `make bench`."""
