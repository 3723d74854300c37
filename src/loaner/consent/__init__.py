"""What people said yes to: grants, approvals, the questions that wait, and linking accounts."""

from loaner.consent.approvals import Approval
from loaner.consent.consent import Standing
from loaner.consent.consents import Consents
from loaner.consent.requests import ConsentRequest
from loaner.consent.tasks.proposal import Proposal
from loaner.consent.tasks.tasks import RunningTask
from loaner.grants.consent import Consent
from loaner.grants.grants import Grant, Grants

__all__ = [
    "Approval",
    "Consent",
    "ConsentRequest",
    "Consents",
    "Grant",
    "Grants",
    "Proposal",
    "RunningTask",
    "Standing",
]
