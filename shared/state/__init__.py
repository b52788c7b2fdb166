"""Typed access to the state store, and the task queue that lives in it."""
