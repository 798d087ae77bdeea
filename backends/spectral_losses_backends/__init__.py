"""The primitives of each framework: one module per framework, loaded when its first array arrives."""
