"""Dispatch: what is rendered next, and where.

Decides  which job a free render server takes; which attempt of a job counts; which version of a segment is current;
         what a reviewer approved; the order of the queue; which test shot may become a scene's first segment.
Hears    project, character and scene_type updated and deleted; asset.version_published, asset.updated;
         generation.requested, generation.cancel_requested; segment.scored; boundary.checked,
         boundary.smoothed.
Says     scene.configured, scene.paused, scene.deleted; segment.generated, segment.activated, segment.failed,
         segment.reviewed, segment.staled; boundary.repair_rejected; generation.progressed.
Owns     scenes, segments and their versions, generation jobs with their attempts, render servers;
         test shots and their batches; whether the queue is paused; what was measured between versions; repairs.
"""
