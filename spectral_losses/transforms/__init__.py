"""How fields are taken apart into modes, and which bin each mode belongs to: bases for the backends."""
