"""The README's Python example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from medalist.data.drawn import draw_competition

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    draw_competition(tmp_path / "DATA", seed=3, num_train=64, num_test=16)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "MEDALIST_CACHE": str(tmp_path / "cache")},
    )
    assert process.returncode == 0, process.stderr
    assert "accuracy 0." in process.stdout
    assert "ridge" in process.stdout
    assert (tmp_path / "out" / "submission.csv").is_file()


def test_it_begins_with_the_two_commands() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.index("make demo") < text.index("make test") < text.index("## ")
