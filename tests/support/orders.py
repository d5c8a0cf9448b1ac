"""How long a state machine looks for an order that breaks a rule."""

from hypothesis import HealthCheck, Phase, settings

from tests.support.rounds import ROUNDS


def orders(examples: int, steps: int) -> settings:
    """The same orders in every run; in `make chaos` more, and other ones each time."""
    return settings(
        max_examples=examples * ROUNDS,
        stateful_step_count=steps,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=ROUNDS == 1,
    )
