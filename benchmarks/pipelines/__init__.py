"""Ways to read labelled pictures, each a program that prints how fast it was as one JSON line."""
