"""One credential for one call: journalled before it is minted, used once, given back on every way out."""

from loaner.lending.lender import Lender
from loaner.lending.loan import Borrower, Loan

__all__ = ["Borrower", "Lender", "Loan"]
