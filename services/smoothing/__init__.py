"""smoothing

Decides: whether a seam between two segments can be seen, and whether a repair of it is an improvement.
Hears:   segment.generated, segment.activated, boundary.repair_rejected, scene.deleted, project.deleted,
         character.deleted, scene_type.deleted.
Says:    boundary.checked, for every pair of versions that follow each other in a scene; boundary.smoothed, when
         somebody asked for a repair and one was made; boundary.repair_rejected, when none could be.
Owns:    boundary_checks, boundary_repairs, boundary_thresholds, seams, segments (a copy), positions.
"""
