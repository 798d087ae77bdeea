"""Fields at the door: which arrays are fields, how their axes are laid out, and what is done before a transform."""
