"""What an operator does to a whole store: back it up, restore it, and prune what is old."""
