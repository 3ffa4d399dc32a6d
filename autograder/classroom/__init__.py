"""How did the class do: a class is graded, recorded and reported here."""
