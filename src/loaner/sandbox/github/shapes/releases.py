"""Releases and their files."""

from __future__ import annotations

from loaner.sandbox.github.shapes.basics import Json, Urls, node_id, simple_user, stamp
from loaner.sandbox.github.state import Asset, Release, Repository


def release(urls: Urls, at: Repository, shown: Release) -> Json:
    """Schema ``release``."""
    here = f"{urls.repo(at)}/releases/{shown.id}"
    return {
        "url": here,
        "html_url": f"{urls.repo_page(at)}/releases/tag/{shown.tag}",
        "assets_url": f"{here}/assets",
        "upload_url": f"{here}/assets{{?name,label}}",
        "tarball_url": f"{urls.repo(at)}/tarball/{shown.tag}",
        "zipball_url": f"{urls.repo(at)}/zipball/{shown.tag}",
        "id": shown.id,
        "node_id": node_id("Release", shown.id),
        "tag_name": shown.tag,
        "target_commitish": shown.target,
        "name": shown.name,
        "body": shown.body,
        "draft": shown.published_at is None,
        "prerelease": shown.prerelease,
        "created_at": stamp(shown.created_at),
        "published_at": stamp(shown.published_at),
        "author": simple_user(urls, shown.author),
        "assets": [_asset(urls, at, shown, each) for each in shown.assets],
    }


def _asset(urls: Urls, at: Repository, of: Release, shown: Asset) -> Json:
    """Schema ``release-asset``."""
    return {
        "url": f"{urls.repo(at)}/releases/assets/{shown.id}",
        "browser_download_url": f"{urls.repo_page(at)}/releases/download/{of.tag}/{shown.name}",
        "id": shown.id,
        "node_id": node_id("ReleaseAsset", shown.id),
        "name": shown.name,
        "label": None,
        "state": "uploaded",
        "content_type": shown.content_type,
        "size": shown.size,
        "digest": None,
        "download_count": 0,
        "created_at": stamp(of.created_at),
        "updated_at": stamp(of.created_at),
        "uploader": simple_user(urls, of.author),
    }
