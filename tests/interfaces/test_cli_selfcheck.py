"""`marketlab selfcheck` says what was expected and what came out; its exit code is the answer."""

import pytest
from interfaces_world import command

from marketlab import campaigns
from marketlab.campaigns import CheckResult, SelfcheckReport
from marketlab.interfaces import usecases


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """Leave out the compilation, which has tests of its own."""
    facts = {"kernels": 1, "seconds": 0.0, "cache": "here"}
    monkeypatch.setattr(usecases, "warm_up", lambda _step: facts)


@pytest.fixture
def report(monkeypatch):
    """Put a report in the place of the minute that makes one; return what was asked for."""
    asked = {}

    def install(*, passed):
        check = CheckResult(
            part="canaries", name="coin", expected="no evidence", found="learned", passed=passed
        )
        made = SelfcheckReport(
            passed=passed,
            sentence="The judge can be trusted." if passed else "Do not trust verdicts.",
            checks=(check,),
            seconds={"canaries": 1.6, "total": 61.0},
        )

        def stand_in(folder, **given):
            asked.update(given, folder=folder, there=folder.is_dir())
            given["on_step"]("1 of 3: canaries")
            return made

        monkeypatch.setattr(campaigns, "selfcheck", stand_in)
        return asked

    return install


def test_a_right_judge_ends_with_0_and_in_words(report, capfd):
    asked = report(passed=True)
    said = command(capfd, "selfcheck", "--workers", "2")
    assert said.code == 0
    assert said.out == (
        "\ncanaries (2 s)\n"
        "  ok   coin\n"
        "       expected: no evidence\n"
        "       found:    learned\n"
        "\n"
        "The judge can be trusted. (1 min 01 s)\n"
    )
    assert "1 of 3: canaries" in said.err
    assert asked["workers"] == 2
    assert asked["there"], "it works in a folder of its own"
    assert not asked["folder"].exists(), "that is gone afterwards"


def test_a_broken_judge_ends_with_1(report, capfd):
    report(passed=False)
    said = command(capfd, "selfcheck")
    assert said.code == 1
    assert "  FAIL coin" in said.out
    assert "Do not trust verdicts. (1 min 01 s)" in said.out


@pytest.mark.parametrize("passed", [True, False])
def test_json_holds_the_whole_report(report, capfd, passed):
    report(passed=passed)
    said = command(capfd, "selfcheck", "--json")
    assert said.code == (0 if passed else 1)
    assert said.json["passed"] is passed
    assert said.json["checks"][0]["found"] == "learned"
    assert said.json["seconds"]["total"] == 61.0


def test_it_leaves_no_workspace_behind(report, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report(passed=True)
    assert command(capfd, "selfcheck").code == 0
    assert list(tmp_path.iterdir()) == []
