"""The rule of the recommendation, case by case, and what holds in all cases."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from image_counts import random_counts

from ssr_mmseg.recommendation.rule import Candidate, Verdict, rank

GOOD, SAME, BAD = (random_counts(40, 3, seed=5, quality=quality) for quality in (0.8, 0.8, 0.4))


def candidate(label: str, counts: np.ndarray, ms: float | None = 5.0, settled: bool = True) -> Candidate:
    return Candidate(label, 0, counts, ms, settled)


def verdicts(*candidates: Candidate, limit: float | None = 8.0) -> dict[str, Verdict]:
    return {one.candidate.label: one.verdict for one in rank(candidates, limit)}


def test_the_most_accurate_within_the_time_is_recommended():
    found = verdicts(candidate("ours", GOOD, 7), candidate("rival", BAD, 3), candidate("large", GOOD, 9))
    assert found == {
        "ours": Verdict.RECOMMENDED,
        "rival": Verdict.LESS_ACCURATE,
        "large": Verdict.TOO_SLOW,
    }
    assert list(found) == ["ours", "rival", "large"]


def test_a_tie_goes_to_the_faster_also_if_it_is_the_rival():
    found = verdicts(candidate("ours", GOOD, 7), candidate("rival", SAME, 3))
    assert found == {"rival": Verdict.RECOMMENDED, "ours": Verdict.TIED}


def test_a_latency_that_did_not_settle_is_never_recommended():
    found = verdicts(candidate("ours", GOOD, 7, settled=False), candidate("rival", BAD, 3))
    assert found == {"rival": Verdict.RECOMMENDED, "ours": Verdict.UNSETTLED}
    assert Verdict.RECOMMENDED not in verdicts(candidate("ours", GOOD, 7, settled=False)).values()


def test_without_a_limit_all_that_were_timed_compete():
    assert verdicts(candidate("ours", GOOD, 700), limit=None) == {"ours": Verdict.RECOMMENDED}
    assert verdicts(candidate("ours", GOOD, None), limit=None) == {"ours": Verdict.NOT_TIMED}


NETWORKS = st.lists(
    st.tuples(st.floats(0.2, 0.9), st.one_of(st.none(), st.floats(0.1, 20)), st.booleans()), min_size=0, max_size=5
)


@given(NETWORKS, st.one_of(st.none(), st.floats(1, 15)))
@settings(max_examples=60, deadline=None)
def test_whatever_is_recommended_is_within_the_time_and_no_faster_one_is_as_accurate(networks, limit):
    candidates = [
        candidate(str(number), random_counts(15, 2, seed=number, quality=quality), ms, settled)
        for number, (quality, ms, settled) in enumerate(networks)
    ]
    ranked = rank(candidates, limit)
    assert len(ranked) == len(candidates)
    chosen = [one for one in ranked if one.verdict is Verdict.RECOMMENDED]
    possible = [one for one in candidates if one.settled and one.latency_ms and one.latency_ms <= (limit or 1e9)]
    assert len(chosen) == bool(possible)
    for one in chosen:
        assert one.candidate in possible
        tied = [other for other in ranked if other.verdict is Verdict.TIED]
        assert all(other.candidate.latency_ms >= one.candidate.latency_ms for other in tied)
