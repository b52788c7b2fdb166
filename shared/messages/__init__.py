"""What travels on the bus: one frozen model per message type, versioned, each with a golden file."""
