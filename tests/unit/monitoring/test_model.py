"""What is kept of the last hour and the last day."""

from lyncpy.workloads.monitoring.model import DAY, HOUR, STEP_S, STEPS_OF_DAY, History, Sample, summed_up


def test_an_hour_and_a_day_are_kept_and_no_more() -> None:
    """However long the server has been there."""
    history = History()
    steps = DAY * STEPS_OF_DAY + 10 * STEPS_OF_DAY + 7
    for number in range(1, steps + 1):
        history.add(float(number * STEP_S), Sample(people=float(number)))
    assert [sample.people for _, sample in history.hour()] == [float(one) for one in range(steps - HOUR + 1, steps + 1)]
    day = history.day()
    assert len(day) == DAY + 1
    assert day[-2][0] == (DAY + 10) * STEPS_OF_DAY * STEP_S
    # The mean of five minutes, and what there is of the present ones.
    assert day[-2][1].people == (DAY + 10) * STEPS_OF_DAY - (STEPS_OF_DAY - 1) / 2
    assert day[-1] == (float(steps * STEP_S), Sample(people=steps - 3.0))


def test_the_steps_of_a_day_end_together_wherever_a_server_began() -> None:
    """So that those of several servers can be added."""
    history = History()
    for number in range(7, 41):
        history.add(float(number * STEP_S), Sample())
    assert [at for at, _ in history.day()] == [300.0, 400.0]


def test_at_the_beginning_there_is_nothing() -> None:
    """And with one sample one, in both."""
    history = History()
    assert (history.hour(), history.day()) == ((), ())
    history.add(10.0, Sample(devices=2.0))
    assert history.hour() == history.day() == ((10.0, Sample(devices=2.0)),)


def test_of_delays_the_worst_counts() -> None:
    """One long turn in five minutes is what somebody has waited for."""
    one = summed_up([Sample(people=1.0, loop_delay_s=0.5), Sample(people=3.0, loop_delay_s=0.1)])
    assert one == Sample(people=2.0, loop_delay_s=0.5)
