"""The record: one entry per call, closed on every way out, chained so that none is altered or lost unnoticed."""

from loaner.audit.audit import Audit
from loaner.audit.chain import Record, append
from loaner.audit.record import Draft

__all__ = ["Audit", "Draft", "Record", "append"]
