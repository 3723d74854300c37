"""One thing under several names: the same call by the canonical name of its resource, once the provider has said it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loaner.catalog import BoundCall
from loaner.catalog.identify_resource import looking
from loaner.consent.approvals import ApprovableCall
from loaner.consent.known import Known
from loaner.scope import Scope


@dataclass(frozen=True)
class NamedCall:
    """A call, its scope and what an approval compares, all by one name of the resource."""

    bound: BoundCall
    scope: Scope
    call: ApprovableCall

    @property
    def may_have_another(self) -> bool:
        """May the resource have another name than this? At GitHub a name is the only one."""
        look = looking(self.bound, self.scope)
        return not self.scope.ids and look is not None and not (look.identify and look.identify.lasting)

    def canonical(self, known: Known) -> NamedCall:
        """By the canonical name. The permissions stay what they were. A task may name the thing by its id as well."""
        bound = self.bound.called(self.scope.resource_name, known.resource.partition(":")[2])
        operation, kind = bound.operation, self.scope.resource_kind
        narrower, wider = operation.rule.narrower_for(bound.arguments), operation.provider.wider_than(known.resource)
        scope = replace(self.scope, resource=known.resource, narrower=narrower, wider=wider)
        names = (*scope.names, f"{kind}:{known.id}")
        call = replace(self.call, resource=known.resource, digest=bound.digest, names=names, ids=known.ids)
        return NamedCall(bound, scope, call)
