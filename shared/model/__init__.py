"""The documents Reelway keeps: pipelines, runs, tasks, outputs, uploads, deliveries. Pure data and pure rules."""
