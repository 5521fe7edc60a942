"""Many changes, one reaction."""

from controller.sources.debounce import Backoff, Quiet


def test_a_single_change_waits_for_quiet() -> None:
    quiet = Quiet(0.05, 0.5)
    assert quiet.left(0) is None
    quiet.touch(10.0)
    assert round(quiet.left(10.0), 3) == 0.05
    assert quiet.left(10.06) == 0
    quiet.clear()
    assert quiet.left(10.06) is None


def test_changes_that_never_end_are_reacted_to_all_the_same() -> None:
    quiet = Quiet(0.05, 0.5)
    for step in range(60):
        quiet.touch(10 + step * 0.01)
    assert quiet.left(10.59) == 0
    quiet.clear()
    quiet.touch(11.0)
    assert round(quiet.left(11.0), 3) == 0.05


def test_a_delay_grows_to_its_limit_and_starts_anew() -> None:
    backoff = Backoff(first_s=1, most_s=8)
    delays = [backoff.next() for _ in range(6)]
    for delay, most in zip(delays, (1, 2, 4, 8, 8, 8), strict=True):
        assert most / 2 <= delay <= most
    backoff.reset()
    assert backoff.next() <= 1
