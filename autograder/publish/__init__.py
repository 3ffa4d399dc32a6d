"""What students get: notebooks, lists of lessons, the bundle, the environment for conda."""
