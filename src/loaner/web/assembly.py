"""The pages of one assembled loaner."""

from __future__ import annotations

from urllib.parse import urlsplit

import loaner
from loaner.assembly import Loaner
from loaner.errors import SettingsInvalid
from loaner.identity.issuer_keys import IssuerKeys
from loaner.identity.local_person import local_subject
from loaner.loopback import is_loopback
from loaner.settings import IdentitySettings, Settings, resolve
from loaner.web.identity import LocalIdentity, OidcIdentity, SignedInHere
from loaner.web.presence import PasskeyPresence, SessionPresence, SignInPresence
from loaner.web.site import Identity, Presence, Site


def local_url(url: str, settings: Settings) -> str:
    """The address of loopback pages. A passkey belongs to a name, and an address in numbers is none."""
    return url.replace("//127.0.0.1:", "//localhost:") if settings.consent.presence == "passkey" else url


def local_site(served: Loaner, keys: IssuerKeys | None = None) -> Site:
    """Pages for the one person of this computer. ``keys`` are the issuer's, if they have to sign in all the same.

    Raises :class:`~loaner.errors.SettingsInvalid` when they have to, and no setting says with whom.
    """
    here, chosen = local_subject(), served.settings.identity
    if served.settings.consent.presence != "sign-in":
        return _site(served, LocalIdentity(here))
    sub = served.settings.consent.local_person
    if chosen is None or not sub or keys is None:
        raise SettingsInvalid(
            'consent.presence = "sign-in" needs to know who the person of this computer is at which issuer.',
            do="Set identity.issuer and consent.local_person (the sub that the issuer gives them).",
        )
    anywhere = not is_loopback(served.settings.http.stdio_host)
    return _site(served, SignedInHere(_issuer(served, chosen, keys), here, sub, anywhere))


def signed_in_site(served: Loaner, identity: IdentitySettings, keys: IssuerKeys) -> Site:
    """Pages for people who sign in with the issuer whose keys these are."""
    return _site(served, _issuer(served, identity, keys))


def _issuer(served: Loaner, identity: IdentitySettings, keys: IssuerKeys) -> OidcIdentity:
    fresh = served.settings.consent.presence == "sign-in"
    secret = resolve(identity.client_secret, setting="identity.client_secret") if identity.client_secret else None
    return OidcIdentity(identity, keys, served.transport, lambda: served.base_url, served.now, secret, fresh)


def _site(served: Loaner, identity: Identity) -> Site:
    passkeys = None
    presence: Presence = SessionPresence()
    match served.settings.consent.presence:
        case "passkey":
            from loaner.web.passkeys import Passkeys

            _refuse_numbers(served.base_url)
            passkeys = Passkeys(served.store, served.now, lambda: served.base_url)
            presence = PasskeyPresence(passkeys)
        case "sign-in":
            presence = SignInPresence()

    return Site(
        consents=served.consents,
        store=served.store,
        providers=served.catalog.providers.__getitem__,
        now=served.now,
        base_url=lambda: served.base_url,
        identity=identity,
        presence=presence,
        revoke_grant=served.stopper.end_grant,
        records=served.audit,
        allowed_hosts=frozenset(served.settings.http.allowed_hosts),
        sandbox=served.settings.sandbox,
        version=loaner.__version__,
        sign_ins_per_minute=served.settings.limits.sign_ins_per_minute,
        passkeys=passkeys,
    )


def _refuse_numbers(base_url: str) -> None:
    """Raises :class:`SettingsInvalid` for an address to which no browser would give a passkey."""
    host = urlsplit(base_url).hostname or ""
    if host.replace(".", "").isdigit() or ":" in host:
        raise SettingsInvalid(
            f"a passkey belongs to a name, and {host} is none.", do="Set http.public_url to the name people use."
        )
