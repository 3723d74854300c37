"""What people said yes to: grants, approvals, the questions that wait, and linking accounts."""

from loaner.consent.approvals import Approval
from loaner.consent.consents import Consents
from loaner.consent.grants import Grant, Grants
from loaner.consent.pending import Pending
from loaner.consent.proposal import Proposal
from loaner.consent.standing import Consent, Standing
from loaner.consent.tasking import Running

__all__ = ["Approval", "Consent", "Consents", "Grant", "Grants", "Pending", "Proposal", "Running", "Standing"]
