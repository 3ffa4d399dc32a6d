"""A whole term: what each lesson counts, who has reached what, who falls behind, certificates."""
