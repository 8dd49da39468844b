"""What is made of finished runs: statistics."""
