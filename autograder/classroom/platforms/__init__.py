"""Learning platforms: their archives of submissions, their gradebooks, their feedback."""
