"""GitHub, Slack, Linear and an identity provider, emulated on loopback with a ledger of every token.

Written from the providers' own documents and never from ``connectors/``: a connector that asks for too
little fails here, and one that asks for too much is caught by the minimality tests.
"""
