"""When a render of the stand-in may end."""

from deploy.comfyui_standin.faults import Faults


def test_a_render_ends_with_its_own_work_when_nothing_is_set() -> None:
    assert Faults().ends_at(began=10.0, rendered=12.5) == 12.5


def test_extra_seconds_come_on_top_of_the_work() -> None:
    assert Faults(extra_seconds=3).ends_at(began=10.0, rendered=12.5) == 15.5


def test_a_constant_time_has_the_work_in_it() -> None:
    assert Faults(constant_render_s=4, extra_seconds=3).ends_at(began=10.0, rendered=12.5) == 14.0
