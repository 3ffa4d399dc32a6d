"""How nbgrader sees the course: its settings, its Python interface, the steps added to its own."""
