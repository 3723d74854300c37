"""Rules: may this caller make this call, and must a person be asked first?"""

from loaner.policy.cedar import CedarPolicy
from loaner.policy.loading import load
from loaner.policy.ruling import Allowed, Ask, Policy, Refused, Ruling

__all__ = ["Allowed", "Ask", "CedarPolicy", "Policy", "Refused", "Ruling", "load"]
