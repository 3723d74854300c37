"""The pages of one assembled loaner."""

from __future__ import annotations

from collections.abc import Sequence

import loaner
from loaner.assembly import Loaner
from loaner.audit import Record
from loaner.caller import Subject, local_subject
from loaner.jwks import IssuerKeys
from loaner.settings import IdentitySettings
from loaner.web.identity import LocalIdentity, OidcIdentity
from loaner.web.site import Happening, Identity, SessionPresence, Site

_SHOWN = 100


def local_site(served: Loaner) -> Site:
    """Pages for the one person of this computer."""
    return _site(served, LocalIdentity(local_subject()))


def signed_in_site(served: Loaner, identity: IdentitySettings, keys: IssuerKeys) -> Site:
    """Pages for people who sign in with the issuer whose keys these are."""
    return _site(served, OidcIdentity(identity, keys, served.transport, lambda: served.base_url, served.now))


def _site(served: Loaner, identity: Identity) -> Site:
    async def happened(subject: Subject) -> Sequence[Happening]:
        records = await served.audit.tail(_SHOWN, subject=subject.key)
        return [_happening(record) for record in reversed(records)]

    return Site(
        consents=served.consents,
        store=served.store,
        providers=served.catalog.providers.__getitem__,
        now=served.now,
        base_url=lambda: served.base_url,
        identity=identity,
        presence=SessionPresence(),
        revoke_grant=served.stopper.end_grant,
        happened=happened,
        allowed_hosts=frozenset(served.settings.http.allowed_hosts),
        sandbox=served.settings.sandbox,
        version=loaner.__version__,
    )


def _happening(record: Record) -> Happening:
    body = record.body
    on = f" on {body['resource'].partition(':')[2]}" if ":" in body.get("resource", "") else ""
    outcome = body["outcome"] if not body.get("code") else f"{body['outcome']} ({body['code']})"
    return Happening(
        at=body["at"],
        agent=body.get("agent", "loaner"),
        what=f"{body.get('tool') or body['kind'].replace('_', ' ')}{on}",
        outcome=outcome,
    )
