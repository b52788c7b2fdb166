"""ffmpeg and the probe, run as children that cannot outlive their worker."""
