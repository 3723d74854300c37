"""An address that another program listens on: unlike a wrong setting, it may be free when tried again."""

from __future__ import annotations

from loaner.errors import LoanerError


class AddressInUse(LoanerError):
    code = "address_in_use"
