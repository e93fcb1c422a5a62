"""Studio is the edge: the one public `/api`, media, the report page and the `rushes` command line.

Decides nothing. Hears token.revoked, regression.progressed, regression.completed, generation.progressed and
segment.failed. Says nothing. Owns sessions, revoked_tokens, activity and live_progress.
"""
