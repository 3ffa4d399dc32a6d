"""What a notebook is here: source, cells, the instructor's copy, Markdown, files."""
