"""Claims as tests: what each says, and the verdict on it. The measures come with the experiments."""

from highways.claims.judge import Claim, Judgement, judge, read_claims

__all__ = ["Claim", "Judgement", "judge", "read_claims"]
