"""What runs cost on AWS: prices, the cost of a run as it is now, and an estimate before it starts."""
