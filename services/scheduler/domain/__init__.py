"""How a run moves: pure functions without I/O, clock or randomness."""
