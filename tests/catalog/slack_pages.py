"""What Slack's documentation says of each method: the reference data, and the pages that are not in it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from shared_data import shared

OPTIONAL = {"required": False}
READ_BESIDES: dict[str, Any] = {
    # https://docs.slack.dev/reference/methods/chat.scheduledMessages.list
    "chat.scheduledMessages.list": {
        "args": dict.fromkeys(("channel", "cursor", "latest", "limit", "oldest", "team_id"), OPTIONAL),
        "scopes": {},
        "rate_limit": "Tier 3: 50+ per minute",
        "errors": dict.fromkeys(("invalid_channel", "invalid_cursor", "invalid_token"), ""),
    },
    # https://docs.slack.dev/reference/methods/chat.deleteScheduledMessage
    "chat.deleteScheduledMessage": {
        "args": {"as_user": OPTIONAL, "channel": {"required": True}, "scheduled_message_id": {"required": True}},
        "scopes": {"bot": ["chat:write"], "user": ["chat:write"]},
        "rate_limit": "Tier 3: 50+ per minute",
        "errors": dict.fromkeys(("bad_token", "channel_not_found", "invalid_scheduled_message_id"), ""),
    },
    # https://docs.slack.dev/reference/methods/conversations.unarchive
    "conversations.unarchive": {
        "args": {"channel": {"required": True}},
        "scopes": {"user": ["channels:write", "groups:write", "im:write", "mpim:write"]},
        "rate_limit": "Tier 2: 20+ per minute",
        "errors": dict.fromkeys(("channel_not_found", "method_not_supported_for_channel_type", "not_archived"), ""),
    },
}


@cache
def slack() -> dict[str, Any]:
    """By method: ``args``, ``scopes`` and ``errors``. Skips the test where the reference data is not here."""
    methods: dict[str, Any] = json.loads(shared("slack_methods.json").read_text())["catalogue"]
    return methods | READ_BESIDES


def common_errors() -> set[str]:
    """Words that any method may answer."""
    return set(json.loads(shared("slack_methods.json").read_text())["common_errors_2021_spec_counts"])
