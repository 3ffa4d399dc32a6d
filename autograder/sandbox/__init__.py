"""Where answers run: isolation, the workplace, and ``inside``, which runs in there."""
