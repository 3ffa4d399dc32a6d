"""The site: what readers look at before they install, made from the lessons and the texts.

``python -m autograder.publish.site`` makes it, which is what ``make site`` runs.
"""
