"""The one place that speaks to providers: one request, one reply, errors renamed."""

from __future__ import annotations

from loaner.provider_call.replication import Young
from loaner.provider_call.reply import Reply
from loaner.provider_call.retrying import send_patiently
from loaner.provider_call.sending import look_up, send
from loaner.provider_call.terms import Terms
from loaner.provider_call.transport import Answer, ProviderTransport, Unanswered

__all__ = ["Answer", "ProviderTransport", "Reply", "Terms", "Unanswered", "Young", "look_up", "send", "send_patiently"]
