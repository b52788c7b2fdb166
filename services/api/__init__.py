"""The API: MPS-compatible actions on `/`, health and metrics."""
