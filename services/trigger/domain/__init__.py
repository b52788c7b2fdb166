"""What an upload is and what it starts: pure functions."""
