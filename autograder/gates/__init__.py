"""Whether the course may be published: coverage, leaks, style."""
