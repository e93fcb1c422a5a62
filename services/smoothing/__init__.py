"""smoothing

Decides: whether a seam between two segments can be seen, and whether a repair of it is an improvement.
Hears:   segment.generated, segment.activated, scene.deleted, project.deleted, character.deleted, scene_type.deleted.
Says:    boundary.checked, for every pair of versions that follow each other in a scene.
Owns:    boundary_checks, seams, boundary_thresholds, segments (a copy), positions.
"""
