"""Run events to sinks: deliveries, retries, order, and a log of every attempt."""
