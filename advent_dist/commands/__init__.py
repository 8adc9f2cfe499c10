"""One module a command of `advent-dist`; each has `main(arguments) -> exit status`."""
