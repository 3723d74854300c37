"""The sealing key inside HashiCorp Vault's transit engine: it wraps and unwraps, and the key never leaves it.

Source: https://developer.hashicorp.com/vault/api-docs/secret/transit (encrypt, decrypt, hmac). The key must be of a
kind that takes associated data, as the default ``aes256-gcm96`` does. A data key is asked for at each use, and never
kept: what Vault no longer allows ends at once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import hvac
import requests
import requests.adapters
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

from loaner.errors import SettingsInvalid, StoreUnusable
from loaner.network import Network
from loaner.settings import VaultSettings, resolve
from loaner.store.sealing import KEY_ID_BYTES, Unsealable, WrongKey

_NAME = re.compile(r"(?P<mount>[\w./-]+)/keys/(?P<name>[\w.-]+)")
_WRAPPED = re.compile(r"vault:v(\d{1,9}):[A-Za-z0-9+/=]+")
_PLACE, _VERSION = 5, 3  # bytes of a key's id
_SECONDS = 5
_KEPT, _KEPT_AT_LEAST = 60, 1  # seconds; a row that nobody tagged asks Vault no more often than that


class _Through(requests.adapters.HTTPAdapter):
    """The configured way out, for one host."""

    def __init__(self, network: Network, host: str) -> None:
        self._tls, self._proxy = network.tls(host), network.proxy_for(host)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._tls)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._tls)

    def proxy_headers(self, _: str) -> dict[str, str]:
        return self._proxy.headers if self._proxy else {}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        if self._proxy:
            options["proxies"] = {"https": self._proxy.url}
        return super().send(request, **options)


class VaultKey:
    """One transit key. Raises :class:`StoreUnusable` while Vault cannot be asked."""

    def __init__(self, mount: str, name: str, settings: VaultSettings, network: Network) -> None:
        self.mount, self.name, self.settings = mount, name, settings
        # The bytes before the version name the key; a rotation inside Vault changes only the version.
        self._place = hashlib.sha256(f"loaner vault key {mount}/{name}".encode()).digest()[:_PLACE]
        self._derived: dict[str, tuple[float, list[bytes]]] = {}
        self._session = session = requests.Session()
        session.trust_env = False  # no proxy or .netrc of the environment may come between
        session.mount("https://", _Through(network, str(urlsplit(settings.url()).hostname)))
        self._client = hvac.Client(
            url=settings.url(), token=self._token(), namespace=settings.namespace, timeout=_SECONDS,
            allow_redirects=False, session=session,
        )  # fmt: skip

    @classmethod
    def named(cls, reference: str, settings: VaultSettings, network: Network | None = None) -> VaultKey:
        """``transit/keys/NAME``, as the Vault command line names it."""
        parts = _NAME.fullmatch(reference)
        if parts is None:
            raise SettingsInvalid("a key in Vault is named vault:transit/keys/NAME.")
        return cls(parts["mount"], parts["name"], settings, network or Network())

    def wrap(self, data_key: bytes, identity: bytes) -> bytes:
        data = self._asked(
            lambda transit: transit.encrypt_data(
                self.name, plaintext=_b64(data_key), associated_data=_b64(identity), mount_point=self.mount
            )
        )
        written = str(data["ciphertext"])
        version = _WRAPPED.fullmatch(written)
        if version is None:
            raise StoreUnusable("Vault answered with something else than a wrapped key.")
        return self._place + int(version[1]).to_bytes(_VERSION, "big") + written.encode()

    def unwrap(self, wrapped: bytes, identity: bytes) -> bytes:
        key_id, rest = wrapped[:KEY_ID_BYTES], wrapped[KEY_ID_BYTES:]
        if key_id[:_PLACE] != self._place:
            raise WrongKey("sealed under another key")
        written = _WRAPPED.fullmatch(rest.decode("ascii", "replace"))
        if written is None or int(written[1]).to_bytes(_VERSION, "big") != key_id[_PLACE:]:
            raise Unsealable("not a wrapped key of Vault")
        try:
            data = self._asked(
                lambda transit: transit.decrypt_data(
                    self.name, ciphertext=written[0], associated_data=_b64(identity), mount_point=self.mount
                )
            )
        except _Refused as refused:
            if refused.gone:
                raise WrongKey("its key in Vault is gone, or this version of it is retired") from None
            raise Unsealable("Vault does not open it: altered, or of another value") from None
        return base64.b64decode(data["plaintext"])

    def derive(self, purpose: str) -> bytes:
        """HMAC-SHA-256 by the first version of the key, so that a rotation inside Vault changes nothing derived.

        Once that version is retired there, by the newest.
        """
        said = _b64(f"loaner derived keys {purpose}".encode())
        try:
            return self._hmac(said, key_version=1)[1]
        except _Refused:
            return self._hmac(said)[1]

    def derived(self, purpose: str, *, anew: bool = False) -> list[bytes]:
        """HMAC-SHA-256 by each version that is not retired, the newest first. They are kept for a minute, so that a
        running server takes a rotated key."""
        at = time.monotonic()
        if purpose not in self._derived or at - self._derived[purpose][0] > (_KEPT_AT_LEAST if anew else _KEPT):
            self._derived[purpose] = at, self._by_every_version(purpose)
        return self._derived[purpose][1]

    def _by_every_version(self, purpose: str) -> list[bytes]:
        said = _b64(f"loaner derived keys {purpose}".encode())
        newest = self._hmac(said)
        found = [newest[1]]
        for version in range(newest[0] - 1, 0, -1):
            try:
                found.append(self._hmac(said, key_version=version)[1])
            except _Refused:
                break  # this one is retired, and those before it
        return found

    def _hmac(self, said: str, **which: int) -> tuple[int, bytes]:
        """The version that made it, and the value."""
        data = self._asked(lambda transit: transit.generate_hmac(self.name, said, mount_point=self.mount, **which))
        _, version, value = str(data["hmac"]).split(":", 2)
        return int(version.removeprefix("v")), base64.b64decode(value)

    def _token(self) -> str:
        return resolve(self.settings.token, setting="vault.token").reveal()

    def _asked(self, ask: Callable[[Any], Any]) -> Any:
        try:
            try:
                return ask(self._client.secrets.transit)["data"]
            except Forbidden:
                self._client.token = self._token()  # Vault's agent may have put a fresh one there
                return ask(self._client.secrets.transit)["data"]
        except (InvalidRequest, InvalidPath) as failure:
            raise _Refused(failure) from None
        except (VaultError, requests.RequestException) as failure:
            # hvac's words name the URL and may quote the request; the class says enough.
            raise StoreUnusable(
                "the sealing key in Vault cannot be used right now; nothing was done.",
                do="Check that Vault is reachable and unsealed, and that its token is valid.",
                log=type(failure).__name__,
            ) from None


class _Refused(StoreUnusable):
    """Vault understood, and will not."""

    def __init__(self, failure: VaultError) -> None:
        super().__init__(
            "Vault refuses to use the sealing key.", do="Check the key's name and kind.", log=type(failure).__name__
        )
        told = " ".join(str(error) for error in failure.errors or ())
        self.gone = "not found" in told or "disallowed by policy" in told or isinstance(failure, InvalidPath)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
