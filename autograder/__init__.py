"""What an instructor runs: build the lessons, prove their tests, grade submissions, report."""
