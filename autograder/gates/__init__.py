"""Whether the course may be published: coverage, terms, style, leaks."""
