"""Hostile media: files made to read, reach, crash, fill or stall a worker. All are made by scripts, none is kept."""
