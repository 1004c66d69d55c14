"""What `edgert run` prints of shadow runs."""

from edgert.cli.run_summary import print_summary
from edgert.records import Agreement, Limits, RunHeader, ShadowStatus
from edgert.runtime.summary import Tally

HEADER = RunHeader(
    family="f", source="s", device="d", controller="c", limits=Limits(), configurations=["full"]
)


def summary(**values):
    import msgspec

    plain = Tally(Limits()).summary(
        duration_s=1.0, dropped=0, damage=None, stopped=False, board_energy_j=None
    )
    return msgspec.structs.replace(plain, **values)


def test_without_shadow_runs_nothing_is_said_of_them(capsys):
    print_summary(summary(), HEADER)
    assert "shadow" not in capsys.readouterr().out


def test_what_they_took_and_showed_is_printed(capsys):
    status = ShadowStatus(
        runs=12, failed=1, failure="no memory", busy_s=0.72, energy_j=4.25, energy_from="profile",
        delayed_frames=2, delay_s=0.1, refused={"no time": 5},
    )  # fmt: skip
    agreements = {
        "full": Agreement(mean=1.0, low=1.0, high=1.0, frames=3),
        "c50": Agreement(mean=0.912, low=0.89, high=0.931, frames=11),
    }
    print_summary(summary(shadow=status, agreements=agreements), HEADER)
    out = capsys.readouterr().out
    assert "12 in 720.0 ms, 4.2 J (profile), 2 frames delayed, 1 failed: no memory" in out
    assert "no time: 5 times" in out
    assert "c50 91.2% (89.0% to 93.1%, 11 frames)" in out
    assert "full" not in out.split("agreement", 1)[1]
