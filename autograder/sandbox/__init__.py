"""Where answers run: their isolation, their processes, and ``inside``, what runs in there."""
