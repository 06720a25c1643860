"""The fake models as a program that outlives its callers."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fake_models.process import models_running


def post(origin: str, model: str = "m", key: str = "k") -> tuple[int, str]:
    request = urllib.request.Request(
        f"{origin}/v1/chat/completions",
        json.dumps({"model": model, "messages": []}).encode(),
        {"authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            return error.code, ""


def test_a_child_process_follows_its_script_and_counts_over_the_lives_of_its_askers() -> None:
    program = (
        'import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], b\'{"model": "m"}\'), timeout=60).read()'
    )
    with models_running([{"text": "first"}, {"text": "second"}], key="k", models=["m"]) as models:
        lines = [post(models.origin)[1], post(models.origin)[1]]
        refused = [post(models.origin, key="x")[0], post(models.origin, model="x")[0]]
        dead = subprocess.run(
            [sys.executable, "-c", program, f"{models.v1}/responses"], check=False, capture_output=True
        )
        count, asked = models.count, models.asked

    assert "first" in lines[0]
    assert "second" in lines[1]
    assert refused == [401, 404]
    assert dead.returncode == 1, f"it had no key: {dead}"
    assert count == len(asked) == 5
    assert [each["status"] for each in asked] == [200, 200, 401, 404, 401]


def test_a_script_that_is_wrong_ends_the_program_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="did not start"), models_running([{"colour": "red"}]):
        pass

    assert "a turn has no colour" in capfd.readouterr().err


def test_the_program_logs_every_request(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    argv = [sys.executable, "-m", "tests.fake_models", "--log", str(log)]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        origin = json.loads(child.stdout.readline())["origin"]
        post(origin)
        child.terminate()
        code = child.wait(60)

    assert json.loads(log.read_text(encoding="utf-8"))["api"] == "chat"
    assert code == 0 or sys.platform == "win32"
