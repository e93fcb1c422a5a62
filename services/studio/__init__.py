"""Studio is the edge: the one public `/api`, media, the `rushes` command line, and pages: runs with their reports,
scenes with their boundaries.

Decides nothing. Hears token.revoked, regression.progressed, regression.completed, generation.progressed,
segment.failed, segment.staled, scene.paused, boundary.checked and boundary.repair_rejected. Says nothing. Owns
sessions, revoked_tokens, activity and live_progress.
"""
