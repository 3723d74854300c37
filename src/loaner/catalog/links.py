"""Links in what is written: a provider that fetches them to show a preview carries out whatever stands in one.

Slack's page on unfurling: https://docs.slack.dev/messaging/unfurling-links-in-messages. Where a request can switch that
off, the operation says so; where it cannot, its parameters say what they refuse.
"""

from __future__ import annotations

import re
from typing import Literal

Refuses = Literal["links", "names", "embeds", "nothing"]
"""``names``: links, and a bare name that a reader of texts may make a link of. ``embeds``: Markdown's ``![](…)``, which
is shown in place. ``nothing``: the provider makes no link of this text."""

# A scheme, a mail address, Slack's <…> but for mentions, Markdown's [text](address) and [text]: address, or a name with
# a path that a reader of texts makes a link of.
_LINK = re.compile(
    r"(?i)[a-z][a-z0-9+.-]*://|\bmailto:|\bwww\.|<(?![@#!])[^<>\s]+\||\]\(|\]:\s*\S"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}/"
)
_NAME = re.compile(r"(?i)\b[a-z0-9-]+\.[a-z]{2,24}\b")
_EMBED = re.compile(r"!\[[^\]]*\]\s*[(\[]")


def problem(refuses: Refuses | None, text: str) -> str | None:
    """What is wrong with ``text``, to be read after the parameter's name."""
    if refuses == "names" and _NAME.search(text):
        return "must not hold a name with a dot, of which the provider might make a link and fetch it"
    if refuses in {"links", "names"} and _LINK.search(text):
        return (
            "must not hold a link: the provider would fetch it to show a preview, and that cannot be switched off here"
        )
    if refuses in {"links", "names", "embeds"} and _EMBED.search(text):
        return "must not embed anything by its address: the provider would fetch it"
    return None
