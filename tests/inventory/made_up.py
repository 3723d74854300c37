"""Keys as the providers make them, of nobody; and files in which there is none."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import zlib

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Maker:
    """The same each time."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)  # noqa: S311 - of nobody

    def some(self, length: int, of: str = BASE62) -> str:
        return "".join(self._random.choice(of) for _ in range(length))

    def digits(self, length: int) -> str:
        return "1" + self.some(length - 1, string.digits)

    def github(self, prefix: str = "ghp_") -> str:
        """Thirty characters and their checksum, as GitHub published it; written here anew."""
        made = self.some(30)
        left, check = zlib.crc32(made.encode()), ""
        for _ in range(6):
            check, left = BASE62[left % 62] + check, left // 62
        return f"{prefix}{made}{check}"

    def fine_grained(self) -> str:
        return f"github_pat_{self.some(22)}_{self.some(59)}"

    def slack(self, prefix: str = "xoxb") -> str:
        return f"{prefix}-{self.digits(12)}-{self.digits(13)}-{self.some(24)}"

    def slack_user(self) -> str:
        return f"xoxp-{self.digits(12)}-{self.digits(12)}-{self.digits(13)}-{self.some(32, '0123456789abcdef')}"

    def slack_app(self) -> str:
        return f"xapp-1-A{self.some(10, BASE62[:36])}-{self.digits(13)}-{self.some(64, '0123456789abcdef')}"

    def webhook(self) -> str:
        team, hook = self.some(10, BASE62[:36]), self.some(10, BASE62[:36])
        return f"https://hooks.slack.com/services/T{team}/B{hook}/{self.some(24)}"

    def linear(self) -> str:
        return f"lin_api_{self.some(40)}"

    def old(self) -> str:
        return self.some(40, "0123456789abcdef")


def basic(user: str, key: str) -> str:
    return base64.b64encode(f"{user}:{key}".encode()).decode()


def benign(number: int) -> tuple[str, str]:
    """A name and a content that people have, with what only looks like a key."""
    maker = Maker(1000 + number)
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    commit = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
    kinds = [
        (
            ".env.example",
            f"GITHUB_TOKEN=ghp_{'x' * 36}\nSLACK_BOT_TOKEN=xoxb-your-token\nLINEAR_API_KEY=lin_api_{'X' * 40}\n",
        ),
        (".env", f"GIT_SHA={commit}\nGITHUB_SHA={commit}\nCACHE_KEY={digest}\nSESSION={maker.some(36)}\n"),
        (".env.local", f"GITHUB_TOKEN=ghp_{maker.some(36)}\n# no checksum: made up for the docs\n"),
        (".env.test", "SLACK_BOT_TOKEN=xoxb-123456789012-1234567890123-abcdefghijklmnopqrstuvwx\n"),
        (".mcp.json", json.dumps({"mcpServers": {"x": {"command": "x", "env": {"TOKEN": "${GITHUB_TOKEN}"}}}})),
        (".vscode/mcp.json", json.dumps({"servers": {"g": {"env": {"T": "${input:github_token}"}, "id": digest}}})),
        (".envrc", f'export GITHUB_TOKEN="$(gh auth token)"\nexport GH_TOKEN=op://vault/github/{maker.some(26)}\n'),
        (
            "service.env",
            f"JWT={maker.some(36)}.{maker.some(120)}.{maker.some(43)}\nUUID={commit[:8]}-{commit[8:12]}-4000\n",
        ),
        (".npmrc", f"//registry.npmjs.org/:_authToken=${{NPM_TOKEN}}\n; integrity sha512-{maker.some(86)}==\n"),
        (
            ".env.ci",
            f"GITHUB_PERSONAL_ACCESS_TOKEN=github_pat_{'A' * 22}_{'A' * 59}\nLINEAR=lin_api_example{'0' * 33}\n",
        ),
    ]
    return kinds[number % len(kinds)]
