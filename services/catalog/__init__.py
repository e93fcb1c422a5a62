"""Catalog: what exists, and which version of an asset is active.

Decides: which version of an asset is active; whether a version may be published (its own file name, a graph that can be
    rendered, bindings that point at something); whether a rollback still undoes the active version; who may do what.
Hears: asset.rollback_requested.
Says: project.updated, project.deleted, character.updated, character.deleted, scene_type.updated, scene_type.deleted,
    asset.version_published, asset.updated, asset.rollback_rejected, token.revoked.
Owns: projects, users, tokens, characters, scene_types, assets, asset_versions, asset_activations.
"""
