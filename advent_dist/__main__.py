"""`python -m advent_dist`: the `advent-dist` command."""

from advent_dist.cli import main

if __name__ == "__main__":
    main()
