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


_AWS = """#!/bin/bash
# s3 sync FROM TO of folders in place of buckets
[ "$1 $2" = "s3 sync" ] || exit 2
from=${@: -2:1} to=${@: -1}
from=${from/#s3:\\/\\//$HOME/buckets/} to=${to/#s3:\\/\\//$HOME/buckets/}
[ -d "$from" ] || exit 1
mkdir -p "$to" && cp "$from"/* "$to"
"""
_PIP = """#!/bin/bash
echo "$*" >> ~/pip.log
case "$*" in
  *" wheel "*)
    cd ~/advent_dist_wheels && [ -f torch-1-any.whl ] || echo built > torch-1-any.whl ;;
  *" install "*) cat ~/advent_dist_wheels/*.whl > ~/installed ;;
esac
"""
_PYTHON = "#!/bin/bash\necho cpython-311\n"


def _node(home: Path, buckets: Path) -> Path:
    """A home with an environment, and `aws` that reaches the buckets of all nodes."""
    for path, text in (
        ("bin/aws", _AWS),
        ("advent_dist_venv/bin/pip", _PIP),
        ("advent_dist_venv/bin/python", _PYTHON),
    ):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
        (home / path).chmod(0o755)
    (home / "buckets").symlink_to(buckets)
    (home / ".advent_dist").write_text("export ADVENT_DIST_WHEELS=s3://bucket/wheels\n")
    return home


def _install(home: Path, *flags: str) -> tuple[str, str]:
    """What is installed on a node, and what is said."""
    done = subprocess.run(
        ["bash", SETUP, *flags],
        env={"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return (home / "installed").read_text(), done.stderr


@pytest.fixture
def buckets(tmp_path: Path) -> Path:
    (tmp_path / "buckets").mkdir()
    return tmp_path / "buckets"


def test_wheels_come_from_the_head(tmp_path: Path, buckets: Path) -> None:
    head, worker = (_node(tmp_path / name, buckets) for name in ("head", "worker"))
    assert _install(worker)[0] == "built\n"
    assert list(buckets.rglob("*.whl")) == [], "a worker keeps nothing for others"
    (head / "advent_dist_wheels").mkdir()
    (head / "advent_dist_wheels" / "torch-1-any.whl").write_text("of the head\n")
    assert _install(head, "--keep-wheels")[0] == "of the head\n"
    other = _node(tmp_path / "other", buckets)
    assert _install(other) == ("of the head\n", "")


@pytest.mark.parametrize("how", ["another file", "one more", "no list"])
def test_a_wheel_that_the_head_did_not_list_is_not_installed(
    how: str, tmp_path: Path, buckets: Path
) -> None:
    _install(_node(tmp_path / "head", buckets), "--keep-wheels")
    (wheel,) = buckets.rglob("torch-1-any.whl")
    if how == "no list":
        (wheel.parent / "SHA256SUMS").unlink()
    name = "evil-1-any.whl" if how == "one more" else wheel.name
    (wheel.parent / name).write_text("evil\n")
    installed, said = _install(_node(tmp_path / "next", buckets), "--keep-wheels")
    assert installed == "built\n"
    assert "left alone, since SHA256SUMS does not list it so: s3://bucket/wheels/cpython" in said
    assert said.count(name) >= 1
