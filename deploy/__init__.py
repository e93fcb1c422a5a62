"""How Rushes is run: one topology, a local stack of real processes, and the same for Docker."""
