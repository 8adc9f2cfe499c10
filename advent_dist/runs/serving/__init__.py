"""Answers to images that are sent one by one: what `serve` says of each."""
