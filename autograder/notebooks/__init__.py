"""Notebooks and what they are made from: source, cells, the instructor's copy, Markdown, files."""
