"""Whether the course is fit to be published: coverage, leaks, style."""
