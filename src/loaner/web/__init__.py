"""The pages of a person: consent, what is allowed, what happened. No JavaScript."""

from loaner.web.app import create_app, routes
from loaner.web.assembled import local_site, signed_in_site
from loaner.web.identity import LocalIdentity, OidcIdentity
from loaner.web.site import Happening, Identity, Presence, SessionPresence, Site

__all__ = [
    "Happening",
    "Identity",
    "LocalIdentity",
    "OidcIdentity",
    "Presence",
    "SessionPresence",
    "Site",
    "create_app",
    "local_site",
    "routes",
    "signed_in_site",
]
