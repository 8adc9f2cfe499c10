"""What is run on each node before Ray: `cluster/setup.sh`, where the packages are there already."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[3] / "cluster" / "setup.sh"


def _set_up(home: Path, variables: str = "") -> subprocess.CompletedProcess[str]:
    (home / ".advent_dist").write_text(f"export ADVENT_DIST_VENV=/shared/venv\n{variables}")
    return subprocess.run(
        ["bash", SETUP],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def _in_a_login_shell(home: Path, command: str) -> str:
    shell = ["bash", "--login", "-c", command]
    return subprocess.run(
        shell, env={"HOME": str(home)}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("profiles", [(), (".profile",), (".profile", ".bash_profile")])
def test_every_login_shell_knows_it(profiles: tuple[str, ...], tmp_path: Path) -> None:
    """Debian's skeleton has a .profile, Red Hat's a .bash_profile, which goes before it."""
    for name in profiles:
        (tmp_path / name).write_text("export OWN=kept\n")
    for _ in range(2):
        done = _set_up(tmp_path, "export ADVENT_DIST_DATA=s3://bucket/shards\n")
        assert done.returncode == 0, done.stderr
    said = _in_a_login_shell(tmp_path, "echo $ADVENT_DIST_DATA; echo $PATH; echo $OWN")
    data, path, own = said.splitlines()
    assert data == "s3://bucket/shards"
    assert path.split(":").count("/shared/venv/bin") == 1
    assert own == ("kept" if profiles else "")


def test_what_is_not_filled_in_ends_it(tmp_path: Path) -> None:
    done = _set_up(tmp_path, "export ADVENT_DIST_DATA=s3://CHANGE-ME-bucket/shards\n")
    assert done.returncode == 1
    assert "ADVENT_DIST_DATA=s3://CHANGE-ME-bucket/shards" in done.stderr
    assert "ray down CLUSTER-FILE" in done.stderr
