"""The state port: one suite that every adapter passes. It is the definition of the port."""
