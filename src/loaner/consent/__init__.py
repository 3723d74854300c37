"""What people said yes to: grants, approvals, the questions that wait, and linking accounts."""

from loaner.consent.approvals import Approval
from loaner.consent.consents import Consent, Consents, Standing
from loaner.consent.grants import Grant, Grants
from loaner.consent.pending import Pending

__all__ = ["Approval", "Consent", "Consents", "Grant", "Grants", "Pending", "Standing"]
