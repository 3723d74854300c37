"""Which long-lived keys of providers lie about on this computer: where, of what kind, and what they could reach.

A key that was found is never shown: not on a terminal, in JSON, in a log or an error. It is told by its last four
characters and its fingerprint. Nothing is sent anywhere, except by :mod:`~loaner.inventory.probe`.
"""
