"""scoring

Decides: how good a clip is, and how far it is from its baseline.
Hears:   segment.generated, scoring.requested, character.deleted, scene_type.deleted, project.deleted.
Says:    segment.scored, for every clip that was generated, also for one that could not be measured.
Owns:    quality_scores, quality_gates, identity_references, scoring_jobs, scored_segments.
"""
