"""Adaptation tasks with a real gap between the domains, and what is trained on them."""
