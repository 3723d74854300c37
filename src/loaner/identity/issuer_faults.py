"""Whether an issuer can serve as the settings say, looked at before anybody needs it."""

from __future__ import annotations

from dataclasses import dataclass

from loaner.identity.issuer_keys import IssuerKeys, IssuerUnreachable
from loaner.settings import IdentitySettings, Settings


@dataclass(frozen=True)
class IssuerFault:
    told: str
    cure: str = ""
    """The setting to look at."""


def other_issuers(settings: Settings) -> dict[str, str]:
    """The issuers of jobs and of tasks whose keys are fetched too, each with the setting that names it."""
    tasks = {one.issuer: "task_issuers" for one in settings.task_issuers if one.public_key is None}
    found = tasks | {one.issuer: "workloads" for one in settings.workloads}
    return {issuer: setting for issuer, setting in found.items() if not _is_of_people(issuer, settings.identity)}


def _is_of_people(issuer: str, identity: IdentitySettings | None) -> bool:
    return identity is not None and identity.issuer == issuer


async def keys_missing(keys: IssuerKeys, setting: str) -> list[IssuerFault]:
    """What keeps tokens of this issuer from being checked, if anything does. It asks the issuer, and raises nothing."""
    try:
        await keys.settle()
    except IssuerUnreachable as away:
        return [IssuerFault(str(away), setting)]
    return []


async def issuer_faults(keys: IssuerKeys, identity: IdentitySettings) -> list[IssuerFault]:
    """What stands against the issuer of people and agents; nothing where all is well."""
    if missing := await keys_missing(keys, "identity.issuer"):
        return missing
    metadata = await keys.metadata()
    found = []
    for endpoint, what in _NEEDED.items():
        if not isinstance(metadata.get(endpoint), str):
            found.append(IssuerFault(f"its metadata name no {endpoint}: {what}", "identity.issuer"))
    if "S256" not in _listed(metadata, "code_challenge_methods_supported", ["S256"]):
        found.append(IssuerFault("it does not offer PKCE with S256: people cannot sign in to the pages"))
    offered = _listed(metadata, "id_token_signing_alg_values_supported", list(identity.algorithms))
    if not set(offered) & set(identity.algorithms):
        found.append(IssuerFault(f"it signs ID tokens with {', '.join(offered)} alone", "identity.algorithms"))
    if identity.client_secret and identity.client_auth:
        methods = _listed(metadata, "token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if identity.client_auth not in methods:
            found.append(
                IssuerFault(f"it takes a client's secret by {', '.join(methods)} alone", "identity.client_auth")
            )
    asking = identity.introspection
    if asking and not asking.endpoint and not isinstance(metadata.get("introspection_endpoint"), str):
        found.append(IssuerFault("its metadata name no introspection_endpoint", "identity.introspection.endpoint"))
    return found


_NEEDED = {
    "authorization_endpoint": "people cannot sign in to the pages",
    "token_endpoint": "people cannot sign in to the pages",
}


def _listed(metadata: dict[str, object], name: str, otherwise: list[str]) -> list[str]:
    """A list of words in the metadata; what is not said is not held against the issuer."""
    said = metadata.get(name)
    return [str(one) for one in said] if isinstance(said, list) else otherwise
