"""What is to be told, when, and where it may go: pure functions without I/O, clock or randomness."""
