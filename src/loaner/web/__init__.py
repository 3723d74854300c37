"""The pages of a person: consent, what is allowed, what happened. No JavaScript."""

from loaner.web.app import create_app, routes
from loaner.web.assembly import local_site, local_url, signed_in_site
from loaner.web.identity import LocalIdentity, OidcIdentity
from loaner.web.presence import PasskeyPresence, SessionPresence, SignInPresence
from loaner.web.site import Identity, Presence, Site

__all__ = [
    "Identity",
    "LocalIdentity",
    "OidcIdentity",
    "PasskeyPresence",
    "Presence",
    "SessionPresence",
    "SignInPresence",
    "Site",
    "create_app",
    "local_site",
    "local_url",
    "routes",
    "signed_in_site",
]
