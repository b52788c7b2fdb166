"""Where notifications go: one module per sink, behind one protocol."""
