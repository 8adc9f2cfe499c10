"""`advent-dist serve`: an HTTP server whose workers are replicas of Ray Serve."""
