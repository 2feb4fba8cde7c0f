"""What selectors choose with: their task, random networks and neighbors, and measurements of candidates."""
