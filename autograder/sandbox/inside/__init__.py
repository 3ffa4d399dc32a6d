"""What runs inside the sandboxes: the answers on one side, the tests on the other.

Nothing here knows a solution, and these modules import no other module of ``autograder``, so they
are all of it that a sandbox needs to see.
"""
