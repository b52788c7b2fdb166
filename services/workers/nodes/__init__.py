"""Node kinds, one module each."""
