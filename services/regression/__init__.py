"""Regression decides whether an update made things worse.

Hears  project, character and scene type facts, scene.configured, asset.version_published, asset.updated,
       asset.rollback_rejected, segment.generated, segment.failed, segment.scored, and every deletion.
Says   generation.requested and generation.cancel_requested (renders again, at draft tier, with one version changed),
       scoring.requested (a baseline measured by an older metric suite), asset.rollback_requested,
       regression.progressed, regression.completed.
Owns   regression_references, regression_baselines, regression_runs, regression_results; small copies of others' facts.

A reference pins a scene: its parameters, seeds, asset lock and a draft-tier baseline of three identical renders. A run
renders references again and judges them against that baseline (`domain/judgement.py`); the spread of the three renders
is the noise that a change must exceed.
"""
