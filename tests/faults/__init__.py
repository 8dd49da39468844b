"""Long tries: what a careful user does to a tool before trusting it."""
