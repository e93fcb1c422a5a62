"""scoring

Decides: how good a clip is, how far it is from its baseline, and how far a scene has moved from its first segment.
Hears:   segment.generated, segment.activated, segment.reviewed, scoring.requested, character.updated,
         character.deleted, scene_type.deleted, project.deleted, scene.deleted.
Says:    segment.scored, for every clip that was generated, also for one that could not be measured.
Owns:    quality_scores, measurements, quality_gates, identity_references, scored_segments.
"""
