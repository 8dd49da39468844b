"""Claims: what the sources say, judged on the tracked runs by criteria fixed before them."""

from highways.claims.judge import Claim, Judgement, judge, load_claims, write_claims

__all__ = ["Claim", "Judgement", "judge", "load_claims", "write_claims"]
