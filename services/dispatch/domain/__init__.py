"""What dispatch knows and decides, free of everything that could be away. Imports the standard library only."""
