"""Grants, approvals, pending consents, loans and records: tables, one writer, and the seal on what is secret."""

from loaner.store.sealing import KeyHolder, KeyRing, LocalKey, Sealed, Unsealable, WrongKey
from loaner.store.store import Store, open_store

__all__ = ["KeyHolder", "KeyRing", "LocalKey", "Sealed", "Store", "Unsealable", "WrongKey", "open_store"]
