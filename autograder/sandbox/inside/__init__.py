"""What runs inside the sandboxes: the answers on one side, the tests on the other.

Nothing here knows a solution. These modules import no other module of ``autograder``, so a sandbox
sees none of the others.
"""
