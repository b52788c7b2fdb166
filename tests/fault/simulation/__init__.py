"""The whole of Reelway in one thread, on a virtual clock, with every interleaving and every accident chosen by a seed.

Real: the services as `shared.runtime` runs them (trigger, scheduler, workers, notifier with their wiring), `advance`,
the task queue, sweepers, subscriptions, the execution of tasks, the memory store. Simulated: time, the bus, the object
storage, what node kinds do, the other side of callbacks, and the death of processes. `python -m tests.fault.simulation
--seed N` replays one schedule; ADR 0014 says how it works and what it cannot see.
"""
