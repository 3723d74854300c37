"""One credential for one call: journalled before it is minted, used once, given back on every way out."""

from loaner.lending.lender import Lender
from loaner.lending.loan import Loan, Need

__all__ = ["Lender", "Loan", "Need"]
