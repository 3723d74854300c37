"""One credential for one call: journalled before it is minted, used once, given back on every way out."""

from loaner.lending.lender import Lender, Need
from loaner.lending.loan import Loan

__all__ = ["Lender", "Loan", "Need"]
