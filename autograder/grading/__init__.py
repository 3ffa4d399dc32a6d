"""What an answer is worth: read a submission, rebuild the notebook, run it, score it."""
