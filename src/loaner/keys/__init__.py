"""The key under which everything secret in the store is sealed: where it is kept, and how it is changed."""

from loaner.keys.file import FileKey
from loaner.keys.references import key_holder

__all__ = ["FileKey", "key_holder"]
