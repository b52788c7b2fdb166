"""The actions of the MPS face, one module per group."""
