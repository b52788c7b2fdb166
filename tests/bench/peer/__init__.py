"""The peer: Celery on Redis, as people run it who want their tasks to survive a crash."""
