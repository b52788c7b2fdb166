"""Looks at what is stored, and at what was done to the world, after every step: the guarantees of DESIGN §11.

It knows nothing of the code that it checks: it reads documents as they lie in the store, and has its own idea of what a
graph is.
"""
