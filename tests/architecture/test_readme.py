"""The README's example runs as it stands, and its claims about the tree are true."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_and_says_learned():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[2].startswith("learned ")


def test_every_folder_of_the_tree_has_its_line():
    rooms = {p.name for p in (ROOT / "src/marketlab").iterdir() if (p / "__init__.py").is_file()}
    for room in rooms:
        assert re.search(rf"^src/marketlab/{room} ", README, flags=re.MULTILINE), room


def test_no_registry_host_is_named_in_any_file():
    hosts = (
        "py" + "pi.org",
        "python" + "hosted.org",
        "registry.npm" + "js.org",
        "deb.deb" + "ian.org",
    )
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".png", ".parquet"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not [h for h in hosts if h in text], name
